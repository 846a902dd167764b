import { canonicalIpProblem } from './ip-text.ts';
import type { NameCheck } from './names.ts';

/** IPAddress objects are named after what they stand for, in its canonical form (RFC 5952). */
export const nameIsIpAddress: NameCheck = (name) => {
  const problem = canonicalIpProblem(name);
  return problem === undefined ? [] : [problem];
};

import type { Pod } from './types.gen.ts';

/** True for a pod that has ended for good: it keeps no resources and no address, and never runs again. */
export function isPodFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

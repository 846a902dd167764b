/** Networks for test clusters in the root namespace, so that two of them at the same time, also of two processes, have none in common. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const folder = path.join(tmpdir(), 'wherry-test-subnets');
const count = 250;

export interface Subnet extends Disposable {
  /** The third part of its addresses: 198.18.N.0/24, out of the range for benchmarks (RFC 2544). */
  readonly number: number;
}

/** Takes a network that nobody has; what a process that is gone had taken is free. */
export function takeSubnet(): Subnet {
  mkdirSync(folder, { recursive: true });
  for (let step = 0; step < count; step += 1) {
    const number = 1 + ((process.pid + step) % count);
    const file = path.join(folder, String(number));
    if (existsSync(file) && !isGone(file)) continue;
    rmSync(file, { force: true });
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
    } catch {
      continue; // Somebody was faster.
    }
    return { number, [Symbol.dispose]: () => rmSync(file, { force: true }) };
  }
  throw new Error(`all networks of ${folder} are taken`);
}

function isGone(file: string): boolean {
  try {
    const pid = readFileSync(file, 'utf8');
    return pid !== '' && !existsSync(`/proc/${pid}`);
  } catch {
    return false; // It was given back this moment; the next one will do.
  }
}

import { isObject } from '../../core/json.ts';
import { run } from '../process/run.ts';
import type { TableFamily } from './rule-table.ts';

/** Sets that are read at a time; more is an error. */
const outputBytesMax = 64 * 1024 * 1024;

/** An element that the kernel forgets after a while, and how long from now. */
export interface TimedElement {
  readonly key: string;
  readonly expiresSeconds: number;
}

/** The elements with an end of the sets of a table whose names begin with `prefix`; empty when there is no such table. */
export async function readTimedSets(
  family: TableFamily,
  table: string,
  prefix: string,
): Promise<ReadonlyMap<string, readonly TimedElement[]>> {
  const { stdout } = await run('nft', ['-j', 'list', 'sets', family], { outputBytesMax });
  return parseTimedSets(stdout, table, prefix);
}

/** Reads libnftables-json(5). */
export function parseTimedSets(
  text: string,
  table: string,
  prefix: string,
): ReadonlyMap<string, readonly TimedElement[]> {
  const answer: unknown = JSON.parse(text);
  const found = new Map<string, readonly TimedElement[]>();
  const objects = isObject(answer) && Array.isArray(answer['nftables']) ? answer['nftables'] : [];
  for (const object of objects) {
    const set: unknown = isObject(object) ? object['set'] : undefined;
    if (!isObject(set) || set['table'] !== table) continue;
    const { name, elem } = set;
    if (typeof name !== 'string' || !name.startsWith(prefix) || !Array.isArray(elem)) continue;
    found.set(name, elem.flatMap(timedElement));
  }
  return found;
}

function timedElement(entry: unknown): TimedElement[] {
  const element: unknown = isObject(entry) ? entry['elem'] : undefined;
  if (!isObject(element)) return [];
  const { val, expires } = element;
  return typeof val === 'string' && typeof expires === 'number' ? [{ key: val, expiresSeconds: expires }] : [];
}

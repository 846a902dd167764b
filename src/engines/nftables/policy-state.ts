import { isObject } from '../../core/json.ts';
import { CommandError, run } from '../process/run.ts';
import type { IpFamily } from './policy-rules.ts';
import { deniedKinds, generationOf } from './policy-skeleton.ts';

/** A flow that policies denied, as the kernel remembers it for a while. */
export interface DeniedFlow {
  /** Which of the two pods' policies denied it: the server's (ingress) or the client's (egress). */
  readonly direction: 'ingress' | 'egress';
  readonly client: string;
  readonly server: string;
  /** As nft names it: `tcp`, `icmp`, or a number. */
  readonly protocol: string;
  /** Null where the protocol has none. */
  readonly port: number | null;
  /** Since the kernel began to remember it, as far as the pod's rate let them be counted. */
  readonly packets: number;
}

/** The generation of the rules in force; undefined when the table is not there. */
export async function readGeneration(table: string): Promise<number | undefined> {
  const text = await list(['chain', 'inet', table, 'current'], []);
  const mark = /ct mark & 0x[0-9a-f]+ == (0x[0-9a-f]+)/.exec(text ?? '')?.[1];
  return mark === undefined ? undefined : generationOf(Number(mark));
}

/** How many packets were dropped since the table was written; it changes whenever a denied flow is remembered. */
export async function readDeniedPackets(table: string): Promise<number> {
  const items = itemsOf(await list(['counter', 'inet', table, 'denied'], ['-j']));
  for (const item of items) {
    const counter = item['counter'];
    if (isObject(counter) && typeof counter['packets'] === 'number') return counter['packets'];
  }
  return 0;
}

/** The flows that the kernel remembers, in no order. */
export async function readDeniedFlows(table: string, families: readonly IpFamily[]): Promise<readonly DeniedFlow[]> {
  const flows: DeniedFlow[] = [];
  for (const { set, direction } of deniedKinds(families)) {
    for (const item of itemsOf(await list(['set', 'inet', table, set], ['-j']))) {
      const found = item['set'];
      if (!isObject(found) || !Array.isArray(found['elem'])) continue;
      for (const element of found['elem']) flows.push(...flowOf(direction, element));
    }
  }
  return flows;
}

function flowOf(direction: DeniedFlow['direction'], element: unknown): readonly DeniedFlow[] {
  const inner = isObject(element) && isObject(element['elem']) ? element['elem'] : undefined;
  const value = inner?.['val'];
  const parts: unknown = isObject(value) ? value['concat'] : undefined;
  if (inner === undefined || !Array.isArray(parts)) return [];
  const [client, server, protocol, port] = parts;
  const counter = inner['counter'];
  const packets = isObject(counter) && typeof counter['packets'] === 'number' ? counter['packets'] : 0;
  return [
    {
      direction,
      client: String(client),
      server: String(server),
      protocol: String(protocol),
      port: typeof port === 'number' ? port : null,
      packets,
    },
  ];
}

function itemsOf(text: string | null): readonly Readonly<Record<string, unknown>>[] {
  if (text === null) return [];
  const document: unknown = JSON.parse(text);
  const items: unknown = isObject(document) ? document['nftables'] : undefined;
  return Array.isArray(items) ? items.filter(isObject) : [];
}

/** What `nft list` prints, priorities as numbers; null when it is not there. */
async function list(what: readonly string[], options: readonly string[]): Promise<string | null> {
  try {
    return (await run('nft', [...options, '-y', 'list', ...what])).stdout;
  } catch (error) {
    if (error instanceof CommandError && /No such file or directory/.test(error.stderr)) return null;
    throw error;
  }
}

import { randomInt } from 'node:crypto';
import { applyRules } from '../../engines/nftables/nft.ts';
import { type Contest, RuleTable } from '../../engines/nftables/rule-table.ts';
import type { Transaction } from '../../engines/nftables/ruleset-monitor.ts';
import {
  clientSetPrefix,
  compileHostPorts,
  compileServicePort,
  type ServiceSettings,
  serviceSkeleton,
} from '../../engines/nftables/service-rules.ts';
import { readTimedSets } from '../../engines/nftables/timed-sets.ts';
import type { IpFamily, PlannedPort, ServicePlan } from './plan.ts';
import { frontsOfHostPorts, frontsOfPort, UdpFronts } from './stale-flows.ts';

/** Own transactions whose echo from the kernel may still come. */
const stampsMax = 256;
/** A table of 10,000 Services takes about a second. */
const writeTimeoutMs = 60_000;

interface FamilyState {
  readonly settings: ServiceSettings;
  readonly table: RuleTable;
  readonly fronts: UdpFronts;
}

/** The tables of all address families as one: what is wanted, what was written, and whose a transaction is. */
export class ServiceTables {
  readonly #families: ReadonlyMap<IpFamily, FamilyState>;
  /** Names of a Service's ports in the tables, by its key and family. */
  readonly #owned = new Map<string, ReadonlyMap<IpFamily, readonly string[]>>();
  readonly #stamps = new Set<number>();

  constructor(name: string, settings: ReadonlyMap<IpFamily, ServiceSettings>) {
    this.#families = new Map(
      [...settings].map(([family, one]) => [
        family,
        { settings: one, table: new RuleTable(one.family, name, serviceSkeleton(one)), fronts: new UdpFronts() },
      ]),
    );
  }

  /** The fronts of UDP by the kernel's name of the family. */
  *fronts(): Generator<readonly ['ip' | 'ip6', UdpFronts]> {
    for (const { settings, fronts } of this.#families.values()) yield [settings.family, fronts];
  }

  /** Replaces what is wanted for a Service. Returns what it wants and another has. */
  setService(key: string, rank: string, { ports }: Pick<ServicePlan, 'ports'>): readonly Contest[] {
    const former = this.#owned.get(key);
    const owned = new Map<IpFamily, readonly string[]>();
    const contests: Contest[] = [];
    for (const [family, { settings, table, fronts }] of this.#families) {
      const rules = ports.get(family) ?? [];
      const names = new Set(rules.map((rule: PlannedPort) => rule.name));
      for (const name of former?.get(family) ?? []) {
        if (names.has(name)) continue;
        table.set(name, rank, undefined);
        fronts.set(name, []);
      }
      for (const rule of rules) {
        table.set(rule.name, rank, compileServicePort(settings, rule));
        fronts.set(rule.name, frontsOfPort(rule));
        contests.push(...table.contests(rule.name));
      }
      if (names.size > 0) owned.set(family, [...names]);
    }
    if (owned.size > 0) this.#owned.set(key, owned);
    else this.#owned.delete(key);
    return contests;
  }

  /** Replaces what is wanted for the host ports of a pod. */
  setHostPorts(pod: string, rank: string, ports: (family: IpFamily) => Parameters<typeof compileHostPorts>[0]) {
    const owner = `pod ${pod}`;
    return [...this.#families].flatMap(([family, { table, fronts }]) => {
      const rules = ports(family);
      table.set(owner, rank, rules.length === 0 ? undefined : compileHostPorts(rules));
      fronts.set(owner, frontsOfHostPorts(rules));
      return table.contests(owner);
    });
  }

  /** Writes what differs, or with `whole` everything, as one transaction. Rejects with what the kernel said. */
  async write(whole: boolean): Promise<void> {
    const scripts: string[] = [];
    for (const { table } of this.#families.values()) {
      const stamp = this.#newStamp();
      if (whole) scripts.push(table.compileAll(stamp), await keptClients(table));
      else scripts.push(table.compileChange(stamp));
    }
    // What is wanted may change while the kernel works; that is for the next time.
    for (const { table } of this.#families.values()) table.written();
    const script = scripts.join('');
    if (script !== '') await applyRules(script, { timeoutMs: writeTimeoutMs });
  }

  /** True for a transaction that changed one of the tables and that this object did not write. */
  isForeign({ tables, stamps }: Transaction): boolean {
    for (const { table } of this.#families.values()) {
      const key = `${table.family} ${table.name}`;
      if (!tables.has(key)) continue;
      const stamp = stamps.get(key);
      if (stamp === undefined || !this.#stamps.has(stamp)) return true;
    }
    return false;
  }

  #newStamp(): number {
    const stamp = randomInt(1, 2 ** 31);
    this.#stamps.add(stamp);
    for (const old of this.#stamps) {
      if (this.#stamps.size <= stampsMax) break;
      this.#stamps.delete(old);
    }
    return stamp;
  }
}

/** Clients keep their endpoints when the table is written whole: commands that put them back, for sets that stay. */
async function keptClients(table: RuleTable): Promise<string> {
  const wanted = new Set(table.sets());
  if (wanted.size === 0) return '';
  const lines: string[] = [];
  for (const [set, elements] of await readTimedSets(table.family, table.name, clientSetPrefix)) {
    const lasting = elements.filter((e) => e.expiresSeconds > 0);
    if (!wanted.has(set) || lasting.length === 0) continue;
    const list = lasting.map((e) => `${e.key} expires ${e.expiresSeconds}s`).join(', ');
    lines.push(`add element ${table.family} ${table.name} ${set} { ${list} }\n`);
  }
  return lines.join('');
}

/** Nothing wanted: what a Service that is gone has. */
export const noPorts: Pick<ServicePlan, 'ports'> = { ports: new Map() };

/** Address family of an nftables table. */
export type TableFamily = 'ip' | 'ip6';

/** Commas separate at most this many elements of one nft command. */
const elementsPerCommand = 1_000;

/** An element of a set, or of a map when it has a value. Both as nft writes them. */
export interface Element {
  readonly set: string;
  readonly key: string;
  readonly value?: string;
}

/** What one owner wants in a table. Chains and sets of one name have one meaning, so that owners can share them. */
export interface Fragment {
  /** Rules by the name of their chain. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Declarations (`type ipv4_addr; size 10;`) by the name of the set. */
  readonly sets: ReadonlyMap<string, string>;
  readonly elements: readonly Element[];
}

/** A key of a map that two owners want to have. */
export interface Contest {
  readonly set: string;
  readonly key: string;
  readonly winner: string;
  readonly loser: string;
}

interface Owner {
  readonly name: string;
  /** The lower one keeps what two want. */
  readonly rank: string;
  readonly fragment: Fragment;
}

type Item = {
  readonly kind: 'chain' | 'set' | 'element';
  /** Chain, set, or the set of the element. */
  readonly name: string;
  readonly key: string;
  readonly claims: { readonly owner: Owner; readonly content: string }[];
};

/** Marks the element values of sets, which have none. */
const noValue = '';

/**
 * A table as the sum of what its owners want, and the commands that lead from what was last written to what is wanted
 * now: only what differs. Pure: nothing here speaks to the kernel.
 *
 * Each text of commands ends by writing a number of its own into the set `written`, by which the writer knows his own
 * transactions among all those that the kernel tells of.
 */
export class RuleTable {
  readonly family: TableFamily;
  readonly name: string;
  readonly #skeleton: string;
  readonly #owners = new Map<string, Owner>();
  readonly #items = new Map<string, Item>();
  /** Items that may differ from what was written, with what was. */
  readonly #touched = new Map<string, { readonly item: Item; readonly written: string | undefined }>();

  /** `skeleton`: sets, maps and chains that are there always, in nft's words. */
  constructor(family: TableFamily, name: string, skeleton: string) {
    this.family = family;
    this.name = name;
    this.#skeleton = skeleton;
  }

  /** Replaces what an owner wants; undefined: nothing. Owners whose claims to a key changed hands are not told: see `contests`. */
  set(name: string, rank: string, fragment: Fragment | undefined): void {
    const former = this.#owners.get(name);
    if (former !== undefined) this.#release(former);
    if (fragment === undefined) {
      this.#owners.delete(name);
      return;
    }
    const owner: Owner = { name, rank, fragment };
    this.#owners.set(name, owner);
    for (const [chain, rules] of fragment.chains) this.#claim('chain', chain, '', rules.join('\n'), owner);
    for (const [set, declaration] of fragment.sets) this.#claim('set', set, '', declaration, owner);
    for (const { set, key, value = noValue } of fragment.elements) this.#claim('element', set, key, value, owner);
  }

  /** Names of the sets that owners want, without those of the skeleton. */
  *sets(): Generator<string> {
    for (const { kind, name, claims } of this.#items.values()) if (kind === 'set' && claims.length > 0) yield name;
  }

  /** Keys of maps that an owner wants and one of a lower rank has. */
  contests(name: string): readonly Contest[] {
    const owner = this.#owners.get(name);
    return (owner?.fragment.elements ?? []).flatMap(({ set, key, value = noValue }) => {
      const winner = this.#items.get(idOf('element', set, key))?.claims[0];
      if (winner === undefined || winner.owner === owner || value === noValue) return [];
      return [{ set, key, winner: winner.owner.name, loser: name }];
    });
  }

  /** Commands for what differs from the last `written`; empty when nothing does. */
  compileChange(stamp: number): string {
    const { family, name: table } = this;
    const removed = new Groups();
    const added = new Groups();
    const flushed: string[] = [];
    const newChains: string[] = [];
    const newSets: string[] = [];
    const rules: string[] = [];
    const goneChains: string[] = [];
    const goneSets: string[] = [];
    for (const { item, written } of this.#touched.values()) {
      const content = item.claims[0]?.content;
      if (content === written) continue;
      const { name } = item;
      if (item.kind === 'element') {
        if (written !== undefined) removed.add(name, item.key);
        if (content !== undefined) added.add(name, elementText(item.key, content));
      } else if (item.kind === 'chain') {
        if (written === undefined) newChains.push(`add chain ${family} ${table} ${name}`);
        else flushed.push(`flush chain ${family} ${table} ${name}`);
        if (content === undefined) goneChains.push(`delete chain ${family} ${table} ${name}`);
        else rules.push(...this.#ruleCommands(name, content));
      } else {
        if (written !== undefined) goneSets.push(`delete set ${family} ${table} ${name}`);
        if (content !== undefined) newSets.push(`add set ${family} ${table} ${name} { ${content} }`);
      }
    }
    const lines = [
      ...removed.commands('delete', family, table),
      ...flushed,
      ...newSets,
      ...newChains,
      ...rules,
      ...added.commands('add', family, table),
      ...goneChains,
      ...goneSets,
    ];
    if (lines.length === 0) return '';
    return `${[...lines, `flush set ${family} ${table} written`, this.#stamp(stamp)].join('\n')}\n`;
  }

  /** The whole table, replacing whatever stands under its name. */
  compileAll(stamp: number): string {
    const { family, name: table } = this;
    const lines = [
      `add table ${family} ${table}`,
      `delete table ${family} ${table}`,
      `table ${family} ${table} {\nset written { type mark; }\n${this.#skeleton}\n}`,
    ];
    const chains: string[] = [];
    const rules: string[] = [];
    const elements = new Groups();
    for (const item of this.#items.values()) {
      const content = item.claims[0]?.content;
      if (content === undefined) continue;
      if (item.kind === 'set') lines.push(`add set ${family} ${table} ${item.name} { ${content} }`);
      else if (item.kind === 'element') elements.add(item.name, elementText(item.key, content));
      else {
        chains.push(`add chain ${family} ${table} ${item.name}`);
        rules.push(...this.#ruleCommands(item.name, content));
      }
    }
    const all = [...lines, ...chains, ...rules, ...elements.commands('add', family, table), this.#stamp(stamp)];
    return `${all.join('\n')}\n`;
  }

  /** What is wanted now stands in the kernel. */
  written(): void {
    for (const [id, { item }] of this.#touched) if (item.claims.length === 0) this.#items.delete(id);
    this.#touched.clear();
  }

  #stamp(stamp: number): string {
    return `add element ${this.family} ${this.name} written { ${stamp} }`;
  }

  #ruleCommands(chain: string, content: string): string[] {
    if (content === '') return [];
    return content.split('\n').map((rule) => `add rule ${this.family} ${this.name} ${chain} ${rule}`);
  }

  #claim(kind: Item['kind'], name: string, key: string, content: string, owner: Owner): void {
    const id = idOf(kind, name, key);
    let item = this.#items.get(id);
    if (item === undefined) {
      item = { kind, name, key, claims: [] };
      this.#items.set(id, item);
    }
    this.#touch(id, item);
    const at = item.claims.findIndex((other) => comesBefore(owner, other.owner));
    item.claims.splice(at < 0 ? item.claims.length : at, 0, { owner, content });
  }

  #release(owner: Owner): void {
    const { chains, sets, elements } = owner.fragment;
    for (const chain of chains.keys()) this.#drop('chain', chain, '', owner);
    for (const set of sets.keys()) this.#drop('set', set, '', owner);
    for (const { set, key } of elements) this.#drop('element', set, key, owner);
  }

  #drop(kind: Item['kind'], name: string, key: string, owner: Owner): void {
    const id = idOf(kind, name, key);
    const item = this.#items.get(id);
    if (item === undefined) return;
    this.#touch(id, item);
    const at = item.claims.findIndex((claim) => claim.owner === owner);
    if (at >= 0) item.claims.splice(at, 1);
  }

  #touch(id: string, item: Item): void {
    if (this.#touched.has(id)) return;
    this.#touched.set(id, { item, written: item.claims[0]?.content });
  }
}

function comesBefore(a: Owner, b: Owner): boolean {
  return a.rank === b.rank ? a.name < b.name : a.rank < b.rank;
}

function idOf(kind: Item['kind'], name: string, key: string): string {
  return `${kind} ${name} ${key}`;
}

function elementText(key: string, value: string): string {
  return value === noValue ? key : `${key} : ${value}`;
}

/** Elements by their set, written as few commands. */
class Groups {
  readonly #bySet = new Map<string, string[]>();

  add(set: string, text: string): void {
    const group = this.#bySet.get(set);
    if (group === undefined) this.#bySet.set(set, [text]);
    else group.push(text);
  }

  commands(verb: 'add' | 'delete', family: TableFamily, table: string): string[] {
    return [...this.#bySet].flatMap(([set, all]) => {
      const commands: string[] = [];
      for (let at = 0; at < all.length; at += elementsPerCommand) {
        commands.push(
          `${verb} element ${family} ${table} ${set} { ${all.slice(at, at + elementsPerCommand).join(', ')} }`,
        );
      }
      return commands;
    });
  }
}

import { type Holder, scriptPath, startEntered, startHolder } from './holder.ts';
import { collect, type HostProcess } from './machine.ts';

/** What a link does to frames. Each holds in both directions. */
export interface LinkState {
  readonly cut: boolean;
  readonly carrier: boolean;
  /** Mbit/s; undefined is as fast as it goes. */
  readonly rateMbit: number | undefined;
  readonly lossPercent: number;
  readonly mtu: number;
}

export interface Port {
  /** Its interface in the switch, at most 15 characters. */
  readonly name: string;
  readonly state: LinkState;
}

/** One layer-2 network: a bridge, whose own address is its hosts' gateway to the other segments. */
export interface Segment {
  readonly bridge: string;
  readonly ipv4Gateway: string;
  readonly ipv6Gateway: string;
}

/** Two ports of one segment between which nothing passes. */
export type Partition = readonly [string, string];

/** The bridges of a lab, in namespaces of their own. */
export class Switch {
  readonly holder: Holder;
  private readonly segments = new Map<string, Promise<void>>();

  private constructor(holder: Holder) {
    this.holder = holder;
  }

  static async start(): Promise<Switch> {
    const script = ['sh', scriptPath('switch-init.sh')];
    const own = ['--mount', '--pid', '--fork', '--kill-child', '--net'];
    return new Switch(await startHolder('unshare', [...own, ...script]));
  }

  start(command: string, args: readonly string[]): HostProcess {
    const wrapper = ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args];
    return startEntered(this.holder, ['--net'], wrapper);
  }

  /** Runs a program beside the bridges; throws with what it said when it fails. */
  async inside(command: string, args: readonly string[], input = ''): Promise<string> {
    const { status, stdout, stderr } = await collect(this.start(command, args), input);
    if (status === 0) return stdout;
    throw new Error(`${command} ${args.join(' ')} in the switch: ${stderr || stdout}`);
  }

  /** Several `ip` commands at once; the first that fails ends them. */
  async ip(lines: readonly string[]): Promise<void> {
    await this.inside('ip', ['-batch', '-'], lines.map((line) => `${line}\n`).join(''));
  }

  ensureSegment(segment: Segment): Promise<void> {
    const made = this.segments.get(segment.bridge) ?? this.makeSegment(segment);
    this.segments.set(segment.bridge, made);
    return made;
  }

  private makeSegment({ bridge, ipv4Gateway, ipv6Gateway }: Segment): Promise<void> {
    return this.ip([
      `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set ${bridge} mtu 65535`,
      `address add ${ipv4Gateway}/24 dev ${bridge}`,
      `address add ${ipv6Gateway}/64 dev ${bridge} nodad`,
      `link set ${bridge} up`,
    ]);
  }

  /** Lets the ports do what their states say. `ports` are all of the switch. */
  async apply(ports: readonly Port[], partitions: readonly Partition[]): Promise<void> {
    await this.inside('nft', ['-f', '-'], rulesOf(ports, partitions));
  }

  /** Joins a port that was just made with its segment. */
  async plug(port: string, { bridge }: Segment, state: LinkState): Promise<void> {
    await this.ip([`link set ${port} master ${bridge}`, ...portLines(port, state)]);
  }

  async setPort(port: string, state: LinkState): Promise<void> {
    await this.ip(portLines(port, state));
  }
}

function portLines(port: string, { mtu, carrier }: LinkState): readonly string[] {
  return [`link set ${port} mtu ${mtu}`, `link set ${port} ${carrier ? 'up' : 'down'}`];
}

/** The arguments of tc(8) that bound what leaves by a device, or take the bound away. The queue holds 50 ms. */
export function shaping(device: string, rateMbit: number | undefined): readonly string[] {
  if (rateMbit === undefined) return ['qdisc', 'del', 'dev', device, 'root'];
  const burst = Math.max(32_768, Math.ceil((rateMbit * 125_000) / 250));
  const bound = ['rate', `${rateMbit}mbit`, 'burst', String(burst), 'latency', '50ms'];
  return ['qdisc', 'replace', 'dev', device, 'root', 'tbf', ...bound];
}

/** The bridges' rules as nft(8) reads them: one transaction that replaces all. */
export function rulesOf(ports: readonly Port[], partitions: readonly Partition[]): string {
  const parts = 100_000;
  const verdict = ({ cut, lossPercent }: LinkState) => {
    if (cut) return 'drop';
    const dropped = Math.round((lossPercent * parts) / 100);
    return dropped === 0 ? undefined : `numgen random mod ${parts} < ${dropped} drop`;
  };
  const rules = (key: string) =>
    ports.flatMap(({ name, state }) => {
      const rule = verdict(state);
      return rule === undefined ? [] : [`${key} "${name}" ${rule}`];
    });
  const between = partitions.flatMap(([a, b]) => [
    `iifname "${a}" oifname "${b}" drop`,
    `iifname "${b}" oifname "${a}" drop`,
  ]);
  const chain = (hook: string, lines: readonly string[]) =>
    `  chain ${hook} {\n    type filter hook ${hook} priority 0\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
  return [
    'table bridge lab\ndelete table bridge lab\ntable bridge lab {\n',
    chain('prerouting', rules('iifname')),
    chain('forward', between),
    chain('postrouting', rules('oifname')),
    '}\n',
  ].join('');
}

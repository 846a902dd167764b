import path from 'node:path';
import { type CommandOptions, type CommandResult, eventually } from '../kubectl.ts';
import { type Capture, startCapture } from './capture.ts';
import { collect, type HostProcess, type Machine, type StartOptions } from './machine.ts';
import { type LinkState, type Segment, type Switch, shaping } from './switch.ts';

/** A machine of a lab, joined to its switch by one link. */
export interface Host {
  readonly name: string;
  readonly kind: Machine['kind'];
  /** IPv4. */
  readonly address: string;
  /** IPv4 first, then IPv6 where the lab has it. */
  readonly addresses: readonly string[];
  /** A folder on the host's disk, for whatever a test wants to keep there. */
  readonly folder: string;
  readonly link: Link;
  /** Runs a program to its end, whatever its status. */
  run(command: string, args?: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs a program and resolves with its output; throws with what it said when it fails. */
  must(command: string, args?: readonly string[], options?: CommandOptions): Promise<string>;
  /** Starts a program to talk to. */
  start(command: string, args?: readonly string[], options?: StartOptions): HostProcess;
  /** Writes a file as this host sees it; makes the folder. */
  writeFile(file: string, content: string): Promise<void>;
  /** Reads a file as this host sees it. */
  readFile(file: string): Promise<string>;
  /** Records one of the host's interfaces; without one, what passes its link (see `Link.capture`). */
  capture(options?: { readonly interface?: string; readonly filter?: string }): Promise<Capture>;
  /** A power cut, and the machine's start: processes, links, routes, rules, mounts and /run are gone, the disk is as it was. */
  reboot(): Promise<void>;
  /** A power cut. What a host with a kernel of its own had not yet written to its disk is lost. */
  powerOff(): Promise<void>;
  /** As an administrator does it: every program is told to end by SIGTERM, files are written, the power goes. Throws when one does not end in 10 s. */
  shutdown(): Promise<void>;
  powerOn(): Promise<void>;
  /** Gives the host other addresses, also for its later starts. The old ones go first. */
  changeAddress(addresses: readonly string[]): Promise<void>;
}

/** What joins a host with the switch. Settings hold until `restore`, also over a reboot. */
export interface Link {
  /** The interface at the switch's end. */
  readonly port: string;
  /** Every frame is lost, both ways; the interfaces stay up, as when the fault lies further along. */
  cut(): Promise<void>;
  /** Pulls the cable: the host's interface loses its carrier. */
  unplug(): Promise<void>;
  /** Undoes all of the settings but the MTU. */
  restore(): Promise<void>;
  /** Bounds the throughput of each direction, in Mbit/s; undefined takes the bound away. */
  setRate(mbit: number | undefined): Promise<void>;
  /** Loses so many of a hundred frames in each direction, at random. */
  lose(percent: number): Promise<void>;
  /** The largest packet (without its 14 bytes of link-level header) that both ends take. */
  setMtu(bytes: number): Promise<void>;
}

export interface HostParts {
  readonly name: string;
  readonly machine: Machine;
  readonly folder: string;
  readonly segment: Segment;
  readonly port: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly lan: Switch;
  /** Where captures are written. */
  readonly captures: string;
  /** Writes the switch's rules anew. */
  readonly applyRules: () => Promise<void>;
}

/** How long programs get to end when their host is shut down, milliseconds. */
const endTimeoutMs = 10_000;
const listPrograms = ['-A', '-o', 'pid=,args='];

const freeLink = { cut: false, carrier: true, rateMbit: undefined, lossPercent: 0 };
let captures = 0;

export class LabHost implements Host, Link {
  private readonly parts: HostParts;
  private current: readonly string[];
  private on = false;
  state: LinkState;

  constructor(parts: HostParts) {
    this.parts = parts;
    this.current = parts.addresses;
    this.state = { ...freeLink, mtu: parts.mtu };
  }

  get name() {
    return this.parts.name;
  }
  get kind() {
    return this.parts.machine.kind;
  }
  get folder() {
    return this.parts.folder;
  }
  get port() {
    return this.parts.port;
  }
  get segment() {
    return this.parts.segment;
  }
  get link(): Link {
    return this;
  }
  get addresses() {
    return this.current;
  }
  get address() {
    return this.current[0] ?? '';
  }

  start(command: string, args: readonly string[] = [], options: StartOptions = {}): HostProcess {
    return this.parts.machine.start(command, args, options);
  }

  run(command: string, args: readonly string[] = [], options: CommandOptions = {}): Promise<CommandResult> {
    return collect(this.start(command, args, options), options.input, options.timeoutMs);
  }

  async must(command: string, args: readonly string[] = [], options: CommandOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(command, args, options);
    if (status === 0) return stdout;
    throw new Error(`${command} ${args.join(' ')} on ${this.name}: status ${status}\n${stdout}\n${stderr}`);
  }

  async writeFile(file: string, content: string): Promise<void> {
    const script = 'mkdir -p "$1" && cat >"$2" && sync "$2"';
    await this.must('sh', ['-c', script, 'sh', path.dirname(file), file], { input: content });
  }

  readFile(file: string): Promise<string> {
    return this.must('cat', ['--', file]);
  }

  capture(options: { readonly interface?: string; readonly filter?: string } = {}): Promise<Capture> {
    const { filter = '', interface: device } = options;
    const file = path.join(this.parts.captures, `${this.name}-${++captures}.pcap`);
    return startCapture(device === undefined ? this.parts.lan : this, device ?? this.port, filter, file);
  }

  async powerOn(): Promise<void> {
    const { machine, lan, mac } = this.parts;
    await machine.powerOn();
    this.on = true;
    await lan.plug(this.port, this.segment, this.state);
    const { mtu, rateMbit } = this.state;
    await this.ip([`link set eth0 address ${mac} mtu ${mtu}`, ...this.addressing()]);
    if (rateMbit !== undefined) await this.shape();
  }

  powerOff(): Promise<void> {
    this.on = false;
    return this.parts.machine.powerOff();
  }

  async shutdown(): Promise<void> {
    await this.must('sh', ['-c', 'trap "" TERM; kill -TERM -1']);
    const keepers = (await this.readFile('/run/lab-keepers')).trim().split(' ');
    await eventually(`all programs on ${this.name} end`, endTimeoutMs, async () => {
      const left = (await this.programs()).filter((program) => !keepers.includes(program.split(' ')[0] ?? ''));
      if (left.length > 0) throw new Error(left.join('\n'));
      return true;
    });
    await this.must('sync', ['-f', this.folder]);
    await this.powerOff();
  }

  /** What runs, but for kernel threads and whoever looks. */
  private async programs(): Promise<readonly string[]> {
    const lines = (await this.must('ps', listPrograms)).split('\n').map((line) => line.trim());
    return lines.filter((line) => line !== '' && !/^\d+ \[.*\]$/.test(line) && !line.endsWith(listPrograms.join(' ')));
  }

  async reboot(): Promise<void> {
    await this.powerOff();
    await this.powerOn();
  }

  async changeAddress(addresses: readonly string[]): Promise<void> {
    this.current = addresses;
    if (this.on) await this.ip(['address flush dev eth0 scope global', ...this.addressing()]);
  }

  cut(): Promise<void> {
    return this.set({ cut: true });
  }
  unplug(): Promise<void> {
    return this.set({ carrier: false });
  }
  restore(): Promise<void> {
    return this.set(freeLink);
  }
  setRate(rateMbit: number | undefined): Promise<void> {
    return this.set({ rateMbit });
  }
  lose(lossPercent: number): Promise<void> {
    return this.set({ lossPercent });
  }
  setMtu(mtu: number): Promise<void> {
    return this.set({ mtu });
  }

  private async set(change: Partial<LinkState>): Promise<void> {
    const before = this.state;
    this.state = { ...before, ...change };
    await this.parts.applyRules();
    if (!this.on) return;
    const { mtu, carrier, rateMbit } = this.state;
    if (mtu !== before.mtu) await this.ip([`link set eth0 mtu ${mtu}`]);
    if (mtu !== before.mtu || carrier !== before.carrier) await this.parts.lan.setPort(this.port, this.state);
    if (rateMbit !== before.rateMbit) await this.shape();
  }

  private async shape(): Promise<void> {
    await this.parts.lan.inside('tc', shaping(this.port, this.state.rateMbit));
    await this.must('tc', shaping('eth0', this.state.rateMbit));
  }

  private addressing(): readonly string[] {
    const { ipv4Gateway, ipv6Gateway } = this.segment;
    const six = this.current.filter((address) => address.includes(':'));
    const four = this.current.filter((address) => !six.includes(address));
    return [
      ...four.map((address) => `address replace ${address}/24 dev eth0`),
      ...six.map((address) => `address replace ${address}/64 dev eth0 nodad`),
      'link set eth0 up',
      ...(four.length === 0 ? [] : [`route replace 0.0.0.0/0 via ${ipv4Gateway} dev eth0`]),
      ...(six.length === 0 ? [] : [`route replace ::/0 via ${ipv6Gateway} dev eth0`]),
    ];
  }

  private async ip(lines: readonly string[]): Promise<void> {
    await this.must('ip', ['-batch', '-'], { input: lines.map((line) => `${line}\n`).join('') });
  }
}

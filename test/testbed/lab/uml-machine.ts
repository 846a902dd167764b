import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../kubectl.ts';
import { type Holder, scriptPath, startHolder } from './holder.ts';
import type { HostProcess, Machine, StartOptions } from './machine.ts';
import type { Switch } from './switch.ts';
import { UmlLine } from './uml-line.ts';

export interface UmlMachineOptions {
  readonly name: string;
  /** The host's folder on this machine, with what its /etc starts with in disk/etc, and files/, where its disk appears. */
  readonly place: string;
  readonly memoryMiB: number;
  readonly port: string;
  readonly lan: Switch;
}

/** How long a kernel may take to boot, milliseconds. */
const bootTimeoutMs = 60_000;
/** Of the disk: a sparse file. */
const diskBytes = 16 * 1024 ** 3;

/** A host with a kernel of its own: user-mode Linux, on this machine's files with a layer of its own over them. */
export class UmlMachine implements Machine {
  readonly kind = 'uml';
  private readonly options: UmlMachineOptions;
  private holder: Holder | undefined;
  private line: UmlLine | undefined;
  private made = false;

  constructor(options: UmlMachineOptions) {
    this.options = options;
  }

  async powerOn(): Promise<void> {
    const { name, place, memoryMiB, port, lan } = this.options;
    const disk = path.join(place, 'disk.img');
    if (!this.made) {
      writeFileSync(disk, '');
      truncateSync(disk, diskBytes);
      const made = await runCommand('mkfs.ext4', ['-q', '-m', '0', disk]);
      if (made.status !== 0) throw new Error(`mkfs.ext4 ${disk}: ${made.stderr}`);
      await lan.ip([`tuntap add dev ${port} mode tap`]);
      this.made = true;
    }
    const parameters = [
      ...[`mem=${memoryMiB}M`, 'root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'rw', `ubd0=${disk}`],
      ...[`vec0:transport=tap,ifname=${port},depth=128`, 'init=/bin/sh'],
      ...[`lab_name=${name}`, `lab_place=${place}`, `lab_here=${import.meta.dirname}`, `lab_node=${process.execPath}`],
      // What follows is for init.
      ...['--', scriptPath('uml-init.sh')],
    ];
    const own = ['--mount', '--pid', '--fork', '--kill-child', 'sh', scriptPath('uml-start.sh')];
    const enter = ['--target', String(lan.holder.pid), '--net', '--', 'unshare', ...own];
    const holder = await startHolder('nsenter', [...enter, path.join(place, 'uml'), ...parameters]);
    this.holder = holder;
    this.line = new UmlLine(holder.channel);
    const timer = setTimeout(() => void holder.kill(), bootTimeoutMs);
    await this.line.ready().catch((cause: unknown) => {
      const said = readFileSync(path.join(place, 'uml/console.log'), 'utf8').slice(-4000);
      throw new Error(`${name} did not boot:\n${said}`, { cause });
    });
    clearTimeout(timer);
  }

  async powerOff(): Promise<void> {
    const { holder } = this;
    this.holder = undefined;
    this.line = undefined;
    await holder?.kill();
  }

  start(command: string, args: readonly string[], options: StartOptions = {}): HostProcess {
    if (this.line === undefined) throw new Error(`${this.options.name} is off`);
    return this.line.start(command, args, options);
  }
}

import { type Holder, scriptPath, startEntered, startHolder } from './holder.ts';
import type { HostProcess, Machine, StartOptions } from './machine.ts';
import type { Switch } from './switch.ts';

export interface NamespaceMachineOptions {
  readonly name: string;
  /** What outlives a power cut: the folder with the host's own /etc, /opt, /var/lib and /var/log. */
  readonly disk: string;
  /** Relative to the root of every hierarchy. */
  readonly cgroup: string;
  readonly port: string;
  readonly lan: Switch;
}

/** A host that shares this kernel and has every kind of namespace but user's to itself. */
export class NamespaceMachine implements Machine {
  readonly kind = 'namespace';
  private readonly options: NamespaceMachineOptions;
  private holder: Holder | undefined;
  private plugged = false;

  constructor(options: NamespaceMachineOptions) {
    this.options = options;
  }

  async powerOn(): Promise<void> {
    const { cgroup, disk, name, port, lan } = this.options;
    this.holder = await startHolder('sh', [scriptPath('host-start.sh'), cgroup, disk, name]);
    await lan.ip([`link add ${port} type veth peer name eth0 netns ${this.holder.pid}`]);
    this.plugged = true;
  }

  async powerOff(): Promise<void> {
    const { holder } = this;
    if (holder === undefined) return;
    this.holder = undefined;
    // First, because the kernel takes its time with the namespace's end of it.
    if (this.plugged) await this.options.lan.ip([`link delete ${this.options.port}`]);
    this.plugged = false;
    await holder.kill();
  }

  start(command: string, args: readonly string[], options: StartOptions = {}): HostProcess {
    if (this.holder === undefined) throw new Error(`${this.options.name} is off`);
    const all = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];
    return startEntered(this.holder, all, ['sh', scriptPath('host-enter.sh'), command, ...args], options);
  }
}

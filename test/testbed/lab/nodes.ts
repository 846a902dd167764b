/** Wherry on the hosts of a lab. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type CommandOptions, type CommandResult, eventually, type KubectlVersion, kubectlPath } from '../kubectl.ts';
import type { Host } from './host.ts';
import type { HostProcess } from './machine.ts';

const wherryPath = path.join(import.meta.dirname, '../../../wherry');
const port = 6443;
/** How long a server or an agent may take until it is ready, milliseconds. */
const readyTimeoutMs = 120_000;

export interface NodeOptions {
  /** Image archives that lie in the images folder from the start. */
  readonly images?: readonly string[];
  /** Further flags; one that is given here wins over what the lab would give. */
  readonly flags?: readonly string[];
  /** Settle for the process to run, when the node can't be Ready yet. */
  readonly wait?: boolean;
}

export interface ServerOptions extends NodeOptions {
  /** Without a node beside it. */
  readonly disableAgent?: boolean;
}

export interface AgentOptions extends NodeOptions {
  readonly server: LabServer;
  /** The server's own when absent. */
  readonly token?: string;
}

/** A server or an agent. It ends with its host. */
export interface LabNode {
  /** Of the node: the host's. */
  readonly name: string;
  readonly host: Host;
  readonly dataDir: string;
  /** Runs `./wherry` on the host for this data directory. */
  wherry(args: readonly string[]): Promise<CommandResult>;
  /** Ends it as `kill -9` does; its pods run on. */
  kill(): Promise<void>;
  /** Ends it by SIGTERM. */
  stop(): Promise<void>;
  /** Starts it again, with other flags when given, and waits until it is ready. */
  restart(flags?: readonly string[]): Promise<void>;
  /** What it said so far, over all of its starts. */
  log(): string;
}

export type LabAgent = LabNode;

export interface LabServer extends LabNode {
  readonly url: string;
  readonly kubeconfig: string;
  /** What agents join with. */
  token(): Promise<string>;
  /** Runs kubectl on the server's host; its exit status is the caller's to judge. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** Runs kubectl and resolves with its output; throws with what it said when it fails. */
  must(args: readonly string[], options?: KubectlOptions): Promise<string>;
}

export type KubectlOptions = CommandOptions & { readonly version?: KubectlVersion };

export async function startServer(host: Host, logs: string, options: ServerOptions = {}): Promise<LabServer> {
  const kubeconfig = path.join(host.folder, 'kubeconfig.yaml');
  const own = ['--https-listen-port', String(port), '--write-kubeconfig', kubeconfig];
  const node = await startNode(host, logs, 'server', options, (flags) => [
    ...merge(['--node-name', host.name, '--node-ip', host.address, ...own], flags),
    ...(options.disableAgent ? ['--disable-agent'] : []),
  ]);
  const kubectl: LabServer['kubectl'] = (args, more = {}) => {
    const cache = path.join(host.folder, 'kubectl-cache');
    const environment = { KUBECONFIG: kubeconfig, KUBECACHEDIR: cache, ...more.environment };
    return host.run(kubectlPath(more.version ?? '1.36'), args, { ...more, environment });
  };
  return {
    ...node,
    kubeconfig,
    get url() {
      return `https://${host.address}:${port}`;
    },
    token: async () => (await host.readFile(path.join(node.dataDir, 'server/token'))).trim(),
    kubectl,
    async must(args, more) {
      const result = await kubectl(args, more);
      if (result.status === 0) return result.stdout;
      throw new Error(`kubectl ${args.join(' ')}: status ${result.status}\n${result.stdout}\n${result.stderr}`);
    },
  };
}

export async function startAgent(host: Host, logs: string, options: AgentOptions): Promise<LabAgent> {
  const token = options.token ?? (await options.server.token());
  return startNode(host, logs, 'agent', options, (flags) =>
    merge(
      ['--node-name', host.name, '--node-ip', host.address, '--server', options.server.url, '--token', token],
      flags,
    ),
  );
}

async function startNode(
  host: Host,
  logs: string,
  role: 'server' | 'agent',
  options: NodeOptions,
  argumentsOf: (flags: readonly string[]) => readonly string[],
): Promise<LabNode> {
  const dataDir = path.join(host.folder, role);
  const logFile = path.join(logs, `${host.name}-${role}.log`);
  let flags = options.flags ?? [];
  let running: HostProcess | undefined;
  const wherry = (args: readonly string[]) =>
    host.run(wherryPath, [...args, '--no-install', '--data-dir', dataDir], { timeoutMs: 180_000 });
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');

  async function launch(): Promise<void> {
    const args = [role, ...argumentsOf(flags), '--no-install', '--data-dir', dataDir];
    const before = log().length;
    const child = host.start(wherryPath, args);
    running = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => appendFileSync(logFile, chunk));
    if (options.wait === false) return;
    const said = () => log().slice(-4000);
    const ready = await eventually(`${role} on ${host.name} is ready`, readyTimeoutMs, async () => {
      // What has ended will never be ready: no use to wait for the deadline.
      if (child.status !== undefined) return false;
      // Asking takes a process each time, which would slow down what is waited for.
      if (!/"the (cluster|node) is ready"/.test(log().slice(before))) return undefined;
      const { status, stdout } = await wherry(['status']);
      if (status === 0) return true;
      throw new Error(stdout);
    }).catch(async (cause: unknown) => {
      const { stdout } = await wherry(['status']);
      throw new Error(`${role} on ${host.name} did not become ready:\n${stdout}\n${said()}`, { cause });
    });
    if (!ready) throw new Error(`${role} on ${host.name} ended with status ${child.status}:\n${said()}`);
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    running?.signal(signal);
    await running?.ended;
  }

  const images = path.join(dataDir, 'agent/images');
  await host.must('mkdir', ['-p', images]);
  // A hard link where it can be one.
  for (const archive of options.images ?? [])
    await host.must('sh', ['-c', 'cp -fl "$1" "$2" 2>/dev/null || cp -f "$1" "$2"', 'sh', archive, images]);
  await launch();
  return {
    name: host.name,
    host,
    dataDir,
    wherry,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    restart(next) {
      flags = next ?? flags;
      return launch();
    },
    log,
  };
}

/** The lab's flags and values, but for those that `flags` gives too. */
function merge(own: readonly string[], flags: readonly string[]): readonly string[] {
  const given = new Set(flags.map((flag) => flag.split('=')[0]));
  const kept = own.filter((_, index) => !given.has(own[index - (index % 2)]));
  return [...kept, ...flags];
}

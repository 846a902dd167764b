/**
 * A whole cluster for a test: `./wherry server` with a data directory of its own in a network namespace of its own, and
 * kubectl pointed at it. Everything ends with `[Symbol.asyncDispose]`, also when the test fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type CommandOptions,
  type CommandResult,
  eventually,
  type KubectlVersion,
  kubectlPath,
  runCommand,
} from './kubectl.ts';
import { takeSubnet } from './subnet.ts';

const root = path.join(import.meta.dirname, '../..');

export interface ClusterOptions {
  /** Short and unique among the clusters that run at the same time; becomes part of names. */
  readonly name: string;
  /** Image archives that lie in the images folder from the start. */
  readonly images?: readonly string[];
  /** Where the data directory lies, for a file system of its own; the caller's to remove. */
  readonly dataDir?: string;
  /** Further flags of `wherry server`. */
  readonly flags?: readonly string[];
  /** Start it as users do, by `wherry up`, in the background. */
  readonly up?: boolean;
}

export interface TestCluster extends AsyncDisposable {
  readonly dataDir: string;
  readonly kubeconfig: string;
  /** The node's address, reachable from the test. */
  readonly nodeIp: string;
  readonly port: number;
  /** Runs kubectl; its exit status is the caller's to judge. */
  kubectl(
    args: readonly string[],
    options?: CommandOptions & { readonly version?: KubectlVersion },
  ): Promise<CommandResult>;
  /** Runs kubectl and resolves with its output; throws with what it said when it fails. */
  must(args: readonly string[], options?: CommandOptions & { readonly version?: KubectlVersion }): Promise<string>;
  /** Runs `./wherry` for this cluster. */
  wherry(args: readonly string[]): Promise<CommandResult>;
  /** Runs any program inside the cluster's network namespace. */
  inside(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** A program inside the namespace, for the caller to talk to. It is killed with the cluster. */
  start(command: string, args: readonly string[]): ChildProcess;
  /** Ends the server as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts the server again and waits until the cluster is ready. */
  restart(): Promise<void>;
  /** The server's log so far. */
  log(): string;
  /** Starts `./wherry agent` in the cluster's namespace and resolves when its node is Ready; it ends with the cluster. */
  startAgent(options: AgentOptions): Promise<TestAgent>;
  /** What `wherry up` printed, when the cluster was started by it. */
  readonly announced: string;
}

export interface AgentOptions {
  /** The node's name. */
  readonly name: string;
  /** Image archives that lie in its images folder from the start. */
  readonly images?: readonly string[];
}

/** A node of a cluster whose server runs without one. */
export interface TestAgent {
  readonly dataDir: string;
  /** Runs `./wherry` for this node. */
  wherry(args: readonly string[]): Promise<CommandResult>;
  /** Ends the agent as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts the agent again and waits until its node is Ready. */
  restart(): Promise<void>;
  log(): string;
}

let count = 0;

/** Starts a cluster and resolves when its node is Ready. */
export async function startCluster(options: ClusterOptions): Promise<TestCluster> {
  const index = ++count;
  const namespace = `wt-${options.name}-${process.pid}`;
  const folder = mkdtempSync(path.join(tmpdir(), `wherry-${options.name}-`));
  const dataDir = options.dataDir ?? path.join(folder, 'data');
  const kubeconfig = path.join(folder, 'kubeconfig.yaml');
  const logFile = options.up ? path.join(dataDir, 'wherry.log') : path.join(folder, 'server.log');
  // Out of the ranges that tests and clusters use otherwise; each cluster its own network.
  const subnet = takeSubnet();
  const nodeIp = `198.18.${subnet.number}.2`;
  const gateway = `198.18.${subnet.number}.1`;
  const veth = `wt${(process.pid % 100000).toString(36)}${index}`;
  const port = 6443;
  const children = new Set<ChildProcess>();
  const agents: { readonly dataDir: string; process(): ChildProcess | undefined }[] = [];
  let server: ChildProcess | undefined;
  let announced = '';

  const host = async (command: string, args: readonly string[]) => {
    const result = await runCommand(command, args);
    if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  };
  const inNamespace = (command: string, args: readonly string[]) =>
    ['nsenter', `--net=/run/netns/${namespace}`, '--', command, ...args] as const;
  const inside = (command: string, args: readonly string[], more?: CommandOptions) => {
    const [program, ...rest] = inNamespace(command, args);
    return runCommand(program, rest, more);
  };
  const start = (command: string, args: readonly string[]) => {
    const [program, ...rest] = inNamespace(command, args);
    const child = spawn(program, rest, { env: { ...process.env, KUBECONFIG: kubeconfig }, stdio: 'pipe' });
    children.add(child);
    child.once('close', () => children.delete(child));
    return child;
  };
  const wherryIn = (at: string, args: readonly string[]) =>
    inside(path.join(root, 'wherry'), [...args, '--no-install', '--data-dir', at], { timeoutMs: 180_000 });
  const wherry = (args: readonly string[]) => wherryIn(dataDir, args);
  const textOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  const log = () => textOf(logFile);

  async function run(): Promise<void> {
    const flags = [
      '--https-listen-port',
      String(port),
      '--write-kubeconfig',
      kubeconfig,
      '--node-ip',
      nodeIp,
      '--node-name',
      'node-1',
    ];
    if (options.up) {
      const result = await wherry(['up', ...flags, ...(options.flags ?? [])]);
      announced = result.stdout;
      if (result.status !== 0) throw new Error(`wherry up: ${result.stderr}\n${log().slice(-4000)}`);
      return;
    }
    server = await runReady(['server', ...flags, ...(options.flags ?? [])], dataDir, logFile, (child) => {
      server = child;
    });
  }

  /** Starts a long-lived `./wherry` and resolves when its data directory is ready. */
  async function runReady(
    args: readonly string[],
    folder: string,
    output: string,
    onStart: (child: ChildProcess) => void,
  ): Promise<ChildProcess> {
    const child = start(path.join(root, 'wherry'), [...args, '--no-install', '--data-dir', folder]);
    onStart(child);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => appendFileSync(output, chunk));
    // What has ended will never be ready: no use to wait for the deadline.
    const ready = await eventually(`${args[0]} is ready`, 120_000, async () =>
      child.exitCode !== null || (await wherryIn(folder, ['status'])).status === 0
        ? child.exitCode === null
        : undefined,
    );
    if (ready) return child;
    throw new Error(`${args[0]} ended with status ${child.exitCode}:\n${textOf(output).slice(-4000)}`);
  }

  async function startAgent({ name, images = [] }: AgentOptions): Promise<TestAgent> {
    const at = path.join(folder, `agent-${name}`);
    const output = path.join(folder, `agent-${name}.log`);
    let child: ChildProcess | undefined;
    agents.push({ dataDir: at, process: () => child });
    placeImages(at, images);
    const launch = async () => {
      const token = readFileSync(path.join(dataDir, 'server/token'), 'utf8').trim();
      const args = ['agent', '--server', `https://${nodeIp}:${port}`, '--token', token, '--node-name', name];
      await runReady([...args, '--node-ip', nodeIp], at, output, (started) => {
        child = started;
      });
    };
    await launch();
    return {
      dataDir: at,
      wherry: (args) => wherryIn(at, args),
      async kill() {
        if (child !== undefined) await ended(child, 'SIGKILL');
      },
      restart: launch,
      log: () => textOf(output),
    };
  }

  function placeImages(at: string, archives: readonly string[]): void {
    mkdirSync(path.join(at, 'agent/images'), { recursive: true });
    for (const archive of archives) copyFileSync(archive, path.join(at, 'agent/images', path.basename(archive)));
  }

  async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await closed;
  }

  async function dispose(): Promise<void> {
    const nodes = agents.map((agent) => agent.process());
    for (const child of children) if (child !== server && !nodes.includes(child)) await ended(child, 'SIGKILL');
    const resets: CommandResult[] = [];
    for (const { dataDir: at, process: running } of agents) {
      resets.push(await wherryIn(at, ['reset', '--yes']));
      const child = running();
      if (child !== undefined) await ended(child, 'SIGKILL');
    }
    resets.push(await wherry(['reset', '--yes']));
    if (server !== undefined) await ended(server, 'SIGKILL');
    await runCommand('ip', ['netns', 'delete', namespace]);
    await runCommand('ip', ['link', 'delete', veth]);
    subnet[Symbol.dispose]();
    const failed = resets.find(({ status }) => status !== 0);
    if (failed !== undefined) throw new Error(`reset failed: ${failed.stderr}\n${log().slice(-2000)}`);
    rmSync(folder, { recursive: true, force: true });
  }

  const kubectl: TestCluster['kubectl'] = (args, more = {}) =>
    inside(kubectlPath(more.version ?? '1.36'), args, {
      ...more,
      environment: { KUBECONFIG: kubeconfig, KUBECACHEDIR: path.join(folder, 'kubectl-cache'), ...more.environment },
    });
  const cluster: TestCluster = {
    dataDir,
    kubeconfig,
    nodeIp,
    port,
    kubectl,
    async must(args, more) {
      const result = await kubectl(args, more);
      if (result.status === 0) return result.stdout;
      throw new Error(`kubectl ${args.join(' ')}: status ${result.status}\n${result.stdout}\n${result.stderr}`);
    },
    wherry,
    inside,
    start,
    async kill() {
      if (server !== undefined) await ended(server, 'SIGKILL');
    },
    restart: run,
    log,
    startAgent,
    get announced() {
      return announced;
    },
    [Symbol.asyncDispose]: dispose,
  };
  try {
    placeImages(dataDir, options.images ?? []);
    await host('ip', ['netns', 'add', namespace]);
    await host('ip', ['link', 'add', veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await host('ip', ['address', 'add', `${gateway}/24`, 'dev', veth]);
    await host('ip', ['link', 'set', veth, 'up']);
    for (const args of [
      ['link', 'set', 'lo', 'up'],
      ['address', 'add', `${nodeIp}/24`, 'dev', 'eth0'],
      ['link', 'set', 'eth0', 'up'],
      ['route', 'add', 'default', 'via', gateway],
    ]) {
      await host('ip', ['-netns', namespace, ...args]);
    }
    await run();
    return cluster;
  } catch (error) {
    await dispose().catch((second: unknown) => {
      throw new AggregateError([error, second], `the cluster did not start, and what was started could not be ended`);
    });
    throw error;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { run } from '../../../src/engines/process/run.ts';
import type { Pod } from '../../../src/kube/types.gen.ts';
import type { DeniedRecord } from '../../../src/network/policy/denied.ts';
import type { PodAnswer, PodQuestion, Target } from './messages.ts';
import type { NodeAnswer, NodeQuestion } from './node-process.ts';
import type { World } from './oracle.ts';
import { nodes, outsider, ownRanges } from './worlds.ts';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A process in a network namespace that answers questions. Disposing ends it. */
class Inhabitant<Question, Answer extends { readonly id: number }> implements AsyncDisposable {
  readonly ready: Promise<Answer>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #lastId = 0;

  constructor(namespace: string, script: string, args: readonly string[] = []) {
    const file = path.join(import.meta.dirname, script);
    const flags = ['--experimental-ffi', '--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'];
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...flags, file, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.ready = this.#await(0);
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${script} in ${namespace} has ended`));
    });
  }

  ask(question: WithoutId<Question>): Promise<Answer> {
    const id = ++this.#lastId;
    const answer = this.#await(id);
    this.#child.send({ id, ...question });
    return answer;
  }

  /** Ends it at once, in the middle of whatever it does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const end = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await end;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #await(id: number): Promise<Answer> {
    const waiting = Promise.withResolvers<Answer>();
    waiting.promise.catch(() => {});
    this.#waiting.set(id, waiting);
    return waiting.promise;
  }
}

export type PodProcess = Inhabitant<PodQuestion, PodAnswer>;

/** The truth table's network: two nodes that forward, pods behind them, and a machine outside. */
export class PolicyNetwork implements AsyncDisposable {
  readonly #prefix: string;
  readonly #stack = new AsyncDisposableStack();
  /** By `namespace/name`; the nodes by their names, the machine outside as `outside`. */
  readonly inhabitants = new Map<string, PodProcess>();
  readonly #nodes: Inhabitant<NodeQuestion, NodeAnswer>[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async start(pods: readonly Pod[]): Promise<PolicyNetwork> {
    const network = new PolicyNetwork(`pol${process.pid}-`);
    try {
      await network.#build(pods);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts, or starts again, what enforces policies on a node. */
  async startNode(node: number, world: World): Promise<void> {
    const enforcer = new Inhabitant<NodeQuestion, NodeAnswer>(`${this.#prefix}n${node}`, 'node-process.ts', [
      `${node}`,
    ]);
    this.#nodes[node] = enforcer;
    await enforcer.ready;
    check(await enforcer.ask({ ask: 'start', world }));
  }

  /** Kills a node's enforcer; its rules stay in the kernel. */
  async killNode(node: number): Promise<void> {
    await this.#nodes[node]?.kill();
  }

  /** Resolves when the world's policies are in force on both nodes. */
  async show(world: World): Promise<void> {
    await Promise.all(this.#nodes.map(async (node) => check(await node.ask({ ask: 'world', world }))));
  }

  async admit(node: number, pod: Pod, addresses: readonly string[]): Promise<void> {
    check(await this.#nodeAt(node).ask({ ask: 'admit', pod, addresses }));
  }

  async denied(node: number, since: number): Promise<readonly DeniedRecord[]> {
    return check(await this.#nodeAt(node).ask({ ask: 'denied', since })).denied ?? [];
  }

  /** A program in a node's network namespace; resolves with what it printed. */
  async onNode(node: number, command: readonly string[], input?: string): Promise<string> {
    const options = { ...(input === undefined ? {} : { input }) };
    return (await run('ip', ['netns', 'exec', `${this.#prefix}n${node}`, ...command], options)).stdout;
  }

  async probe(from: string, targets: readonly Target[], timeoutMs: number): Promise<readonly boolean[]> {
    return (await this.inhabitant(from).ask({ ask: 'probe', targets, timeoutMs })).results;
  }

  inhabitant(name: string): PodProcess {
    const found = this.inhabitants.get(name);
    if (found === undefined) throw new Error(`nobody is called ${name}`);
    return found;
  }

  /** Makes a pod's network namespace with its link to a node, as CNI would, and starts the pod in it. */
  async addPod(name: string, node: number, addresses: readonly string[]): Promise<PodProcess> {
    await this.#sh(this.#podCommands(name, node, addresses));
    return await this.#inhabit(name, this.#namespaceOf(name));
  }

  /** Makes a pod's network namespace without anybody in it, and returns its name. */
  async addEmptyPod(name: string, node: number, addresses: readonly string[]): Promise<string> {
    await this.#sh(this.#podCommands(name, node, addresses));
    return this.#namespaceOf(name);
  }

  /** Takes away what `addEmptyPod` made. */
  async removeEmptyPod(name: string, node: number): Promise<void> {
    await this.#sh([
      `ip -n ${this.#prefix}n${node} link delete ${linkOf(name)}`,
      `ip netns delete ${this.#namespaceOf(name)}`,
    ]);
  }

  /** A program in a pod's network namespace; resolves with what it printed. */
  async inPod(name: string, command: readonly string[], input?: string): Promise<string> {
    const options = { ...(input === undefined ? {} : { input }) };
    return (await run('ip', ['netns', 'exec', this.#namespaceOf(name), ...command], options)).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
    await this.#stack.disposeAsync();
  }

  #nodeAt(node: number): Inhabitant<NodeQuestion, NodeAnswer> {
    const found = this.#nodes[node];
    if (found === undefined) throw new Error(`node ${node} does not run`);
    return found;
  }

  #namespaceOf(name: string): string {
    return `${this.#prefix}${name.replace('/', '')}`;
  }

  async #inhabit(name: string, namespace: string): Promise<PodProcess> {
    const process = this.#stack.use(new Inhabitant<PodQuestion, PodAnswer>(namespace, 'pod-process.ts'));
    this.inhabitants.set(name, process);
    await process.ready;
    return process;
  }

  async #build(pods: readonly Pod[]): Promise<void> {
    const p = this.#prefix;
    await this.#sh([
      ...this.#namespace(`${p}sw`),
      `ip -n ${p}sw link add br0 type bridge`,
      `ip -n ${p}sw link set br0 up`,
      ...nodes.flatMap((_, node) => this.#nodeCommands(node)),
      ...this.#namespace(`${p}out`),
      `ip link add uplink netns ${p}out type veth peer name out netns ${p}sw`,
      `ip -n ${p}sw link set out master br0 up`,
      `ip -n ${p}out address add ${outsider}/32 dev uplink`,
      `ip -n ${p}out link set uplink up`,
      ...nodes.flatMap((node, index) => [
        `ip -n ${p}out route add ${address(node)}/32 dev uplink`,
        `ip -n ${p}out route add ${ownRanges(index)[0]} via ${address(node)}`,
      ]),
      ...pods.flatMap(({ metadata, spec, status }) => {
        const node = nodes.findIndex((one) => one.metadata.name === spec?.nodeName);
        return this.#podCommands(
          `${metadata.namespace}/${metadata.name}`,
          node,
          status?.podIPs?.map(({ ip }) => ip) ?? [],
        );
      }),
    ]);
    await Promise.all([
      ...pods.map(({ metadata }) => {
        const name = `${metadata.namespace}/${metadata.name}`;
        return this.#inhabit(name, this.#namespaceOf(name));
      }),
      ...nodes.map((node, index) => this.#inhabit(node.metadata.name ?? '', `${p}n${index}`)),
      this.#inhabit('outside', `${p}out`),
    ]);
  }

  #nodeCommands(node: number): string[] {
    const name = `${this.#prefix}n${node}`;
    const other = 1 - node;
    const at = (index: number) => address(nodes[index]);
    const v6 = (index: number) => `fd00:2::${index + 1}`;
    return [
      ...this.#namespace(name),
      `ip netns exec ${name} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`,
      `ip link add uplink netns ${name} type veth peer name n${node} netns ${this.#prefix}sw`,
      `ip -n ${this.#prefix}sw link set n${node} master br0 up`,
      `ip -n ${name} address add ${at(node)}/24 dev uplink`,
      `ip -n ${name} address add ${v6(node)}/64 dev uplink nodad`,
      `ip -n ${name} link set uplink up`,
      `ip -n ${name} route add ${ownRanges(other)[0]} via ${at(other)}`,
      `ip -n ${name} route add ${ownRanges(other)[1]} via ${v6(other)}`,
      `ip -n ${name} route add ${outsider}/32 dev uplink`,
    ];
  }

  #podCommands(name: string, node: number, addresses: readonly string[]): string[] {
    const namespace = this.#namespaceOf(name);
    const host = `${this.#prefix}n${node}`;
    const link = linkOf(name);
    const gateways = [`10.42.${node}.1`, 'fe80::1'];
    return [
      ...this.#namespace(namespace),
      `ip link add eth0 netns ${namespace} type veth peer name ${link} netns ${host}`,
      `ip -n ${host} address add ${gateways[0]}/32 dev ${link}`,
      `ip -n ${host} address add ${gateways[1]}/64 dev ${link} nodad`,
      `ip -n ${host} link set ${link} up`,
      ...addresses.map(
        (one) => `ip -n ${namespace} address add ${one}/${one.includes(':') ? '128' : '32'} dev eth0 nodad`,
      ),
      `ip -n ${namespace} link set eth0 up`,
      `ip -n ${namespace} route add ${gateways[0]} dev eth0`,
      `ip -n ${namespace} route add default via ${gateways[0]}`,
      `ip -n ${namespace} -6 route add default via ${gateways[1]} dev eth0`,
      ...addresses.map((one) => `ip -n ${host} route add ${one} dev ${link}`),
    ];
  }

  #namespace(name: string): string[] {
    this.#stack.defer(async () => {
      await run('ip', ['netns', 'delete', name]).catch(() => {});
    });
    return [`ip netns add ${name}`, `ip -n ${name} link set lo up`];
  }

  async #sh(commands: readonly string[]): Promise<void> {
    await run('sh', ['-e'], { input: `${commands.join('\n')}\n`, timeoutMs: 60_000 });
  }
}

/** The node's end of a pod's link. */
function linkOf(name: string): string {
  return `v${name.replace('/', '')}`;
}

function address(node: (typeof nodes)[number] | undefined): string {
  return node?.status?.addresses?.[0]?.address ?? '';
}

function check(answer: NodeAnswer): NodeAnswer {
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

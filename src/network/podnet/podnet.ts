import path from 'node:path';
import ipaddr from 'ipaddr.js';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { applyBatch } from '../../engines/iproute2/batch.ts';
import { watchNetwork } from '../../engines/iproute2/monitor.ts';
import { directlyReachable, observeLinks } from '../../engines/iproute2/observe.ts';
import { compileMasquerade } from '../../engines/nftables/masquerade-rules.ts';
import { applyRules } from '../../engines/nftables/nft.ts';
import { type Charon, createCharon, removeCharon, type TunnelDown } from '../../engines/strongswan/charon.ts';
import type { IpsecIdentity } from '../../engines/strongswan/config.ts';
import { nodeKeys, type WireGuardKeys } from '../../engines/wireguard/keys.ts';
import { nodes } from '../../kube/resources.gen.ts';
import type { Node } from '../../kube/types.gen.ts';
import type { EventRecorder, Informers } from '../../runtime/controller.ts';
import { annotationNames, annotationsOf, type Peer, peerOf } from './annotations.ts';
import { writeCondition } from './condition.ts';
import { applyPlan, type KernelOptions } from './kernel.ts';
import { type NetworkPlan, ownFamily, planNetwork, safetyRoutes, type Unreached } from './plan.ts';
import { type Capabilities, probeBackend } from './probe.ts';
import type { Backend } from './settings.ts';
import { findUnderlay } from './underlay.ts';
import { isRelevant, tentativeGateway } from './watch.ts';

export interface PodnetOptions {
  /** Acts as the node: writes annotations and a condition on its own Node. */
  readonly client: Client;
  /** Shows all nodes. */
  readonly informers: Informers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly backend: Backend;
  readonly clusterCidrs: readonly string[];
  /** One a family. */
  readonly nodeIps: readonly string[];
  /** Told to the others in place of the node's own addresses. */
  readonly publicIps: readonly string[];
  /** The interface that packets to other nodes leave by; absent: the one that has the node's address. */
  readonly iface: string | undefined;
  readonly masqueradeIpv6: boolean;
  /** What this node proves by who it is; it may change. */
  identity(): Promise<NodeIdentity>;
  /** For keys and logs. */
  readonly folder: string;
  /** Name of the nftables table, which nobody else may use. */
  readonly table: string;
  onStatus(status: PodnetStatus): void;
}

/** PEM; the key is secret. */
export interface NodeIdentity {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export interface PodnetStatus {
  /** Null when all that can be is joined. */
  readonly problem: string | null;
  /** For a person. */
  readonly summary: string;
}

/** Below the pod network's folder. */
export const ipsecFolder = 'ipsec';
/** Changes that come within this time are looked at together. */
const gatherMs = 20;
/** Pause after a look that failed. */
const retryMs = 1000;
/** Everything is compared this often, in case a notice was missed. */
const repairMs = 30_000;
/** A node that joins has this long to tell how it is reached, before that counts as a failure. */
const joiningMs = 30_000;

/**
 * Joins this node's pods with those of the other nodes, as Flannel does: tells the others in annotations how it is reached, and keeps
 * devices, routes and entries in the kernel what the other nodes' annotations say. The kernel is watched; what somebody else removed
 * comes back. Nothing is taken down when this ends: packets flow on.
 */
export class Podnet implements AsyncDisposable {
  readonly #options: PodnetOptions;
  readonly #nodes: Informer<Node>;
  readonly #stack = new DisposableStack();
  readonly #abort = new AbortController();
  #capabilities: Capabilities = {};
  #keys: WireGuardKeys | undefined;
  #charon: Charon | undefined;
  /** Tunnels are being set up: they are looked at again soon. */
  #isSettling = false;
  #loop: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #isDirty = true;
  #plan: NetworkPlan | undefined;
  #problem: string | null = 'the pod network has not been set up yet';
  /** The masquerading rules in force. */
  #rules = '';
  readonly #told = new Map<string, string>();
  /** Since when nodes have been waited for, by name. */
  readonly #waiting = new Map<string, number>();

  constructor(options: PodnetOptions) {
    this.#options = {
      ...options,
      nodeIps: options.nodeIps.map(canonical),
      publicIps: options.publicIps.map(canonical),
    };
    this.#nodes = options.informers.of(nodes);
  }

  /**
   * Tries whether this machine can do what it is told, and closes the ways by which packets could leave in clear. Before the first
   * pod starts. Throws TerminalError BACKEND_UNSUPPORTED.
   */
  async prepare(): Promise<void> {
    const { backend, folder, clusterCidrs } = this.#options;
    this.#capabilities = await probeBackend(backend.name);
    if (backend.name === 'wireguard-native') this.#keys = await nodeKeys(path.join(folder, 'wireguard.key'));
    const { ipsec: found } = this.#capabilities;
    const { clock, log } = this.#options;
    // What an earlier start with another backend left.
    if (found === undefined) await removeCharon({ folder: path.join(folder, ipsecFolder), clock, log });
    else {
      const onChange = () => this.#changed();
      this.#charon = createCharon({ folder: path.join(folder, ipsecFolder), found, clock, log, onChange });
    }
    const own = { name: '', type: undefined, v4: undefined, v6: undefined };
    const lines = safetyRoutes({ backend, own, clusterCidrs }).map(
      ({ destination, metric }) => `route replace unreachable ${destination} proto 87 metric ${metric}`,
    );
    const [refusal] = await applyBatch('ip', lines);
    if (refusal !== undefined) throw new Error(`${refusal.line}: ${refusal.reason}`);
  }

  /** Begins to follow the cluster; what stands in the kernel is taken over. */
  start(): void {
    const { clock, log } = this.#options;
    this.#stack.use(this.#nodes.subscribe(({ old, current }) => this.#nodeChanged(old, current)));
    this.#stack.use(watchNetwork({ clock, log, onLine: (line) => this.#kernelChanged(line) }));
    this.#loop = this.#run(this.#abort.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#stack.dispose();
    this.#wake();
    await this.#loop;
    await this.#charon?.[Symbol.asyncDispose]();
  }

  /** The MTU of new pods, or why this node's pods have no network. */
  state(): { readonly mtu: number } | { readonly problem: string } {
    if (this.#problem !== null) return { problem: this.#problem };
    return { mtu: this.#plan?.mtu ?? 0 };
  }

  #nodeChanged(old: Node | undefined, current: Node | undefined): void {
    const facts = (node: Node | undefined) => (node === undefined ? '' : JSON.stringify(peerOf(node)));
    const isOwn = (current ?? old)?.metadata.name === this.#options.nodeName;
    if (isOwn || facts(old) !== facts(current)) this.#changed();
  }

  #kernelChanged(line: string): void {
    const plan = this.#plan;
    if (plan === undefined) {
      this.#changed();
      return;
    }
    const gateway = tentativeGateway(line, this.#own()?.v6?.podCidr);
    if (gateway !== undefined) this.#settle(gateway);
    if (isRelevant(line, plan, this.#options.clusterCidrs)) this.#changed();
  }

  /** The gateway's address on a pod's new veth is nobody else's: the search for a double would keep the pod waiting. */
  #settle({ device, address }: { readonly device: string; readonly address: string }): void {
    const { log } = this.#options;
    const lines = [`address delete ${address} dev ${device}`, `address add ${address} dev ${device} nodad`];
    applyBatch('ip', lines).catch((thrown: unknown) =>
      log.warn('the gateway of a pod waits for duplicate address detection', { device, error: describeError(thrown) }),
    );
  }

  #changed(): void {
    this.#isDirty = true;
    this.#wake();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    await this.#nodes.synced;
    let failure = '';
    while (!signal.aborted) {
      if (!this.#isDirty) await this.#untilChange(failure === '' ? repairMs : retryMs);
      if (signal.aborted) return;
      await clock.sleep(gatherMs);
      this.#isDirty = false;
      try {
        await this.#look();
        // What was refused or is missing is tried again soon.
        failure = this.#told.size === 0 && !this.#isSettling ? '' : 'incomplete';
      } catch (thrown) {
        const message = describeError(thrown);
        if (message !== failure) log.error('the pod network can not be set up', { error: message });
        failure = message;
        this.#report(message);
      }
    }
  }

  async #untilChange(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, () => {
        // Somebody may have removed the table: it is written again.
        this.#rules = '';
        resolve();
      });
      this.#wake = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });
  }

  #own(): Peer | undefined {
    const node = this.#nodes.get(this.#options.nodeName);
    return node === undefined ? undefined : peerOf(node);
  }

  async #look(): Promise<void> {
    const { backend, nodeName, clusterCidrs, folder, clock, log, client } = this.#options;
    const node = this.#nodes.get(nodeName);
    const told = this.#own();
    if (node === undefined || told === undefined) return;
    if (told.v4 === undefined && told.v6 === undefined) return; // The node agent says so.
    const underlay = findUnderlay(this.#options, await observeLinks());
    if ('problem' in underlay) return this.#report(underlay.problem);
    const own = this.#describe(node, told, underlay);
    const peers = this.#nodes
      .list()
      .filter(({ metadata }) => metadata.name !== nodeName)
      .map(peerOf);
    const needsOnLink = backend.name === 'host-gw' || (backend.name === 'vxlan' && backend.directRouting);
    const addresses = peers.flatMap(({ v4, v6 }) => [v4?.address, v6?.address].filter((ip) => ip !== undefined));
    const plan = planNetwork({
      ...{ backend, own, underlay, clusterCidrs, peers },
      onLink: needsOnLink ? await directlyReachable(addresses) : new Set(),
      privateKey: this.#keys?.privateKey,
      ipsecDriver: this.#capabilities.ipsec?.driver,
    });
    this.#plan = plan;
    await this.#masquerade(own);
    const { driver } = this.#capabilities;
    const { broken, refused, changed, down } = await applyPlan(plan, {
      folder,
      clock,
      driver,
      charon: this.#tunnels(),
    });
    this.#isSettling = down.length > 0;
    this.#plan = withoutTunnels(plan, down);
    if (changed) log.info('pod network changed', { mtu: plan.mtu, reached: plan.reached.length });
    // Others may send as soon as they read this, so it is told when all stands.
    const [cause] = broken;
    if (cause !== undefined) return this.#report(`${cause.line}: ${cause.reason}`);
    await this.#tell(client, node, annotationsOf(own, backend));
    this.#report(null, refused.length === 0 ? undefined : refused.map((r) => `${r.line}: ${r.reason}`).join('; '));
  }

  /** This node as it shall describe itself. */
  #describe(node: Node, told: Peer, underlay: Exclude<ReturnType<typeof findUnderlay>, { problem: string }>): Peer {
    const { backend, nodeName, publicIps } = this.#options;
    const annotations = node.metadata.annotations ?? {};
    const publicKey = this.#keys?.publicKey;
    const external = (isIPv6: boolean) => publicIps.find((ip) => ip.includes(':') === isIPv6);
    const v4 = annotations[annotationNames.publicIpOverwrite] ?? external(false) ?? underlay.v4?.address;
    const v6 = annotations[annotationNames.publicIpv6Overwrite] ?? external(true) ?? underlay.v6?.address;
    return {
      name: nodeName,
      type: told.type,
      v4: ownFamily(nodeName, 'v4', backend, { podCidr: told.v4?.podCidr, address: v4, publicKey }),
      v6: ownFamily(nodeName, 'v6', backend, { podCidr: told.v6?.podCidr, address: v6, publicKey }),
    };
  }

  #tunnels(): KernelOptions['charon'] {
    const { backend, identity } = this.#options;
    const charon = this.#charon;
    if (charon === undefined || backend.name !== 'ipsec') return undefined;
    const { espProposal, udpEncap, presharedKey } = backend;
    return {
      ensure: () => charon.ensure(),
      async apply(tunnels) {
        const proof: IpsecIdentity =
          presharedKey === undefined
            ? { kind: 'certificate', ...(await identity()) }
            : { kind: 'secret', secret: presharedKey };
        return await charon.apply({ tunnels, espProposal, udpEncap, identity: proof });
      },
    };
  }

  async #masquerade({ v4, v6 }: Peer): Promise<void> {
    const { table, clusterCidrs, masqueradeIpv6 } = this.#options;
    const families = clusterCidrs.flatMap((clusterCidr) => {
      const isIPv6 = clusterCidr.includes(':');
      const podCidr = (isIPv6 ? v6 : v4)?.podCidr;
      return podCidr === undefined || (isIPv6 && !masqueradeIpv6) ? [] : [{ clusterCidr, podCidr }];
    });
    const rules = compileMasquerade(table, { families });
    if (rules === this.#rules) return;
    await applyRules(rules);
    this.#rules = rules;
  }

  async #tell(client: Client, node: Node, annotations: Readonly<Record<string, string>>): Promise<void> {
    const standing = node.metadata.annotations ?? {};
    if (Object.entries(annotations).every(([name, value]) => standing[name] === value)) return;
    await client.patch(nodes, { name: this.#options.nodeName }, { type: 'merge', body: { metadata: { annotations } } });
  }

  /** Tells the outcome of a look wherever it is waited for. `partial`: some of the nodes are not reached. */
  #report(problem: string | null, partial?: string): void {
    const { backend, clock, client, events, nodeName, log, onStatus } = this.#options;
    this.#problem = problem;
    const node = this.#nodes.get(nodeName);
    const plan = this.#plan;
    const unreached = problem === null ? this.#failing(plan?.unreached ?? []) : [];
    const problems = new Map(
      unreached.map(({ node: name, why }) => [`node ${name}`, `${name} is not reached: ${why}`]),
    );
    if (problem !== null) problems.set('', problem);
    if (partial !== undefined) problems.set('kernel', `the kernel refuses: ${partial}`);
    for (const [about, message] of problems) {
      if (this.#told.get(about) === message) continue;
      this.#told.set(about, message);
      log.warn('pod network', { problem: message });
      if (node !== undefined)
        events.event(node, 'Warning', 'PodNetworkFailed', `pod network (${backend.name}): ${message}`);
    }
    for (const about of this.#told.keys()) if (!problems.has(about)) this.#told.delete(about);
    const text = problems.size === 0 ? null : [...problems.values()].join('; ');
    const reached = plan?.reached.length ?? 0;
    const summary = `${this.#backendText()}, MTU ${plan?.mtu ?? 'unknown'}, joined with ${reached} other node${reached === 1 ? '' : 's'}`;
    onStatus({ problem: text, summary });
    if (node === undefined) return;
    const condition = { isUp: problem === null, message: text ?? `the pod network (${this.#backendText()}) is up` };
    writeCondition(client, node, condition, clock).catch((thrown: unknown) => {
      log.warn('the condition of the pod network was not written', { error: describeError(thrown) });
      this.#changed();
    });
  }

  /** Without the nodes that have been joining for a short time only. */
  #failing(unreached: readonly Unreached[]): readonly Unreached[] {
    const now = this.#options.clock.monotonic();
    const waiting = new Set(unreached.filter(({ isWaiting }) => isWaiting).map(({ node }) => node));
    for (const node of this.#waiting.keys()) if (!waiting.has(node)) this.#waiting.delete(node);
    for (const node of waiting) if (!this.#waiting.has(node)) this.#waiting.set(node, now);
    return unreached.filter(({ node }) => now - (this.#waiting.get(node) ?? 0) >= joiningMs || !waiting.has(node));
  }

  #backendText(): string {
    const { backend } = this.#options;
    const { driver, ipsec } = this.#capabilities;
    if (ipsec !== undefined) return `${backend.name} by ${ipsec.driver === 'kernel' ? 'the kernel' : 'libipsec'}`;
    return driver === 'wireguard-go' ? `${backend.name} by wireguard-go` : backend.name;
  }
}

/** A plan as it is carried out: nodes whose tunnel does not stand are not reached. */
function withoutTunnels(plan: NetworkPlan, down: readonly TunnelDown[]): NetworkPlan {
  if (down.length === 0) return plan;
  const whys = new Map(down.map(({ name, why }) => [name, why]));
  const unreached = plan.security
    .filter(({ name }) => whys.has(name))
    .map(({ name, peerNode, peerAddress }): Unreached => {
      const why = whys.get(name);
      const what = `no IPsec tunnel to ${peerAddress} stands`;
      return why === undefined
        ? { node: peerNode, why: `${what} yet: UDP 500 and 4500 must pass between the nodes`, isWaiting: true }
        : { node: peerNode, why: `${what}: ${why}`, isWaiting: false };
    });
  const missing = new Set(unreached.map(({ node }) => node));
  const reached = plan.reached.filter((node) => !missing.has(node));
  return { ...plan, reached, unreached: [...plan.unreached, ...unreached] };
}

function canonical(address: string): string {
  return ipaddr.parse(address).toString();
}

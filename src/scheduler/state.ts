import type { Informer } from '../client/informer.ts';
import { matchesLabels } from '../kube/label-selector.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import { keyOf } from '../kube/resource.ts';
import {
  csidrivers,
  csinodes,
  csistoragecapacities,
  namespaces,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  poddisruptionbudgets,
  pods,
  replicasets,
  replicationcontrollers,
  services,
  statefulsets,
  storageclasses,
} from '../kube/resources.gen.ts';
import type { LabelSelector, Node, Pod } from '../kube/types.gen.ts';
import type { Informers } from '../runtime/controller.ts';
import type { NodeInfo, PodInfo, Snapshot } from './plugin.ts';
import { amounts, podRequests, sum } from './requests.ts';

interface NodeState {
  node: Node | undefined;
  readonly pods: Map<string, PodInfo>;
  /** Computed from the two above; dropped when one changes. */
  info: NodeInfo | undefined;
}

/**
 * What the scheduler knows of the cluster: the informers' view, plus the pods that it has sent to nodes and that the
 * informers don't show there yet.
 */
export class ClusterState {
  readonly #nodes = new Map<string, NodeState>();
  /** Node of each pod that counts, whether bound or assumed. */
  readonly #placed = new Map<string, string>();
  readonly #assumed = new Set<string>();
  readonly #informers: ReturnType<typeof openInformers>;

  constructor(informers: Informers) {
    this.#informers = openInformers(informers);
    this.#informers.nodes.subscribe(({ key, current }) => {
      this.#stateOf(key).node = current;
      this.#touch(key);
    });
    this.#informers.pods.subscribe(({ key, current }) => this.#observe(key, current));
  }

  /** Resolves when every informer has its first list. */
  async synced(): Promise<void> {
    await Promise.all(Object.values(this.#informers).map((informer) => informer.synced));
  }

  get pods(): Informer<Pod> {
    return this.#informers.pods;
  }

  /** Calls back when anything but pods changes that may let a parked pod fit. */
  onOtherChange(changed: () => void): Disposable {
    const { nodes, persistentVolumes, claims, storageClasses, csiNodes, capacities, services, namespaces } =
      this.#informers;
    const all = [nodes, persistentVolumes, claims, storageClasses, csiNodes, capacities, services, namespaces];
    const subscriptions = new DisposableStack();
    for (const informer of all) subscriptions.use(informer.subscribe(changed));
    return subscriptions;
  }

  get informers(): ReturnType<typeof openInformers> {
    return this.#informers;
  }

  /** Counts the pod on a node before the API server shows it there. */
  assume(key: string, pod: Pod, nodeName: string): void {
    this.#assumed.add(key);
    this.#place(key, pod, nodeName);
  }

  /** The pod did not get there after all. */
  forget(key: string): void {
    if (!this.#assumed.delete(key)) return;
    this.#observe(key, this.#informers.pods.get(key));
  }

  /** The cluster now, as it matters to one pod: pods that were promised a node by preemption count there. */
  snapshot(pod: Pod): Snapshot {
    const promised = this.#nominated(pod);
    const infos: NodeInfo[] = [];
    for (const [name, state] of this.#nodes) {
      if (state.node === undefined) continue;
      state.info ??= infoOf(name, state.node, [...state.pods.values()]);
      const more = promised.get(name);
      infos.push(more === undefined ? state.info : infoOf(name, state.node, [...state.pods.values(), ...more]));
    }
    const i = this.#informers;
    return {
      nodes: infos,
      namespace: (name) => i.namespaces.get(name),
      claim: (namespace, name) => i.claims.get(`${namespace}/${name}`),
      volume: (name) => i.persistentVolumes.get(name),
      volumes: () => i.persistentVolumes.list(),
      storageClass: (name) => i.storageClasses.get(name),
      csiNode: (name) => i.csiNodes.get(name),
      storageCapacities: () => i.capacities.list(),
      publishesCapacity: (driver) => i.csiDrivers.get(driver)?.spec?.storageCapacity ?? false,
      budgets: (namespace) => i.budgets.list(namespace),
      spreadSelector: (of) => this.#spreadSelector(of),
    };
  }

  #nominated(pod: Pod): Map<string, PodInfo[]> {
    const promised = new Map<string, PodInfo[]>();
    for (const other of this.#informers.pods.byIndex('scheduler-nominated', 'true')) {
      const name = other.status?.nominatedNodeName ?? '';
      const smaller = (other.spec?.priority ?? 0) < (pod.spec?.priority ?? 0);
      if (smaller || other.metadata.uid === pod.metadata.uid || this.#placed.has(keyOf(other))) continue;
      promised.set(name, [...(promised.get(name) ?? []), { pod: other, requests: podRequests(other) }]);
    }
    return promised;
  }

  #observe(key: string, pod: Pod | undefined): void {
    const bound = pod?.spec?.nodeName;
    if (pod === undefined || isPodFinished(pod)) {
      this.#assumed.delete(key);
      this.#displace(key);
    } else if (bound) {
      this.#assumed.delete(key);
      this.#place(key, pod, bound);
    } else if (!this.#assumed.has(key)) {
      this.#displace(key);
    }
  }

  #place(key: string, pod: Pod, nodeName: string): void {
    if (this.#placed.get(key) !== nodeName) this.#displace(key);
    this.#placed.set(key, nodeName);
    this.#stateOf(nodeName).pods.set(key, { pod, requests: podRequests(pod) });
    this.#touch(nodeName);
  }

  #displace(key: string): void {
    const nodeName = this.#placed.get(key);
    if (nodeName === undefined) return;
    this.#placed.delete(key);
    this.#nodes.get(nodeName)?.pods.delete(key);
    this.#touch(nodeName);
  }

  #stateOf(name: string): NodeState {
    let state = this.#nodes.get(name);
    if (state === undefined) {
      state = { node: undefined, pods: new Map(), info: undefined };
      this.#nodes.set(name, state);
    }
    return state;
  }

  #touch(name: string): void {
    const state = this.#nodes.get(name);
    if (state === undefined) return;
    state.info = undefined;
    if (state.node === undefined && state.pods.size === 0) this.#nodes.delete(name);
  }

  #spreadSelector(pod: Pod): LabelSelector | undefined {
    const namespace = pod.metadata.namespace ?? '';
    const labels: Record<string, string> = {};
    let found = false;
    for (const service of this.#informers.services.list(namespace)) {
      const selector = service.spec?.selector;
      if (selector === undefined || Object.keys(selector).length === 0 || !matchesLabels(selector, pod.metadata.labels))
        continue;
      Object.assign(labels, selector);
      found = true;
    }
    const owner = pod.metadata.ownerReferences?.find((o) => o.controller);
    const key = `${namespace}/${owner?.name}`;
    const { replicaSets, statefulSets, replicationControllers } = this.#informers;
    if (owner?.kind === 'ReplicationController') {
      Object.assign(labels, replicationControllers.get(key)?.spec?.selector);
      found = true;
    }
    const own =
      owner?.kind === 'ReplicaSet'
        ? replicaSets.get(key)?.spec?.selector
        : owner?.kind === 'StatefulSet'
          ? statefulSets.get(key)?.spec?.selector
          : undefined;
    if (own === undefined) return found ? { matchLabels: labels } : undefined;
    return { ...own, matchLabels: { ...own.matchLabels, ...labels } };
  }
}

function infoOf(name: string, node: Node, podInfos: readonly PodInfo[]): NodeInfo {
  return {
    node,
    name,
    pods: podInfos,
    requested: podInfos.reduce((total, p) => sum(total, p.requests), {}),
    allocatable: amounts(node.status?.allocatable ?? node.status?.capacity),
  };
}

function openInformers(informers: Informers) {
  return {
    pods: informers.of(pods, {
      indexes: { 'scheduler-nominated': (pod) => (pod.status?.nominatedNodeName ? ['true'] : []) },
    }),
    nodes: informers.of(nodes),
    namespaces: informers.of(namespaces),
    claims: informers.of(persistentvolumeclaims),
    persistentVolumes: informers.of(persistentvolumes),
    storageClasses: informers.of(storageclasses),
    csiNodes: informers.of(csinodes),
    csiDrivers: informers.of(csidrivers),
    capacities: informers.of(csistoragecapacities),
    budgets: informers.of(poddisruptionbudgets),
    services: informers.of(services),
    replicaSets: informers.of(replicasets),
    statefulSets: informers.of(statefulsets),
    replicationControllers: informers.of(replicationcontrollers),
  };
}

import { isDeepStrictEqual } from 'node:util';
import type { Draft } from '../../kube/draft.ts';
import { goQuote } from '../../kube/go-json.ts';
import { compareQuantities, parseQuantity } from '../../kube/quantity.ts';
import { nodes, pods, runtimeclasses } from '../../kube/resources.gen.ts';
import type { Pod, RuntimeClass, Toleration } from '../../kube/types.gen.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isAbout, newState, refuse } from './target.ts';

/** A new node takes no pods before it has said that it is ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (request) => request.operation === 'CREATE' && isAbout(request, nodes),
  async admit(request) {
    const node = newState(request, nodes);
    if (node === null) return;
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
    node.spec ??= {};
    const standing = node.spec.taints ?? [];
    if (standing.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return;
    node.spec.taints = [...standing, taint];
  },
};

/** Seconds that a pod stays on a node that isn't ready or can't be reached, unless it says otherwise. */
const tolerationSeconds = 300;

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  handles: ({ operation, ...rest }) =>
    (operation === 'CREATE' || operation === 'UPDATE') && isAbout({ operation, ...rest }, pods),
  async admit(request) {
    const pod = newState(request, pods);
    if (pod?.spec === undefined) return;
    const standing = pod.spec.tolerations ?? [];
    const missing = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].filter(
      (key) => !standing.some((toleration) => coversEviction(toleration, key)),
    );
    if (missing.length === 0) return;
    const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
    pod.spec.tolerations = [...standing, ...added];
  },
};

function coversEviction({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === 'NoExecute');
}

/** Pods of a RuntimeClass get its overhead, node selector and tolerations. */
export class RuntimeClassAdmission implements AdmissionPlugin {
  readonly name = 'RuntimeClass';
  private readonly reader: ClusterReader;

  constructor(reader: ClusterReader) {
    this.reader = reader;
  }

  handles(request: AdmissionRequest): boolean {
    return request.operation === 'CREATE' && isAbout(request, pods);
  }

  async admit(request: AdmissionRequest): Promise<void> {
    const pod = newState(request, pods);
    if (pod?.spec === undefined) return;
    const runtimeClass = this.classOf(request, pod);
    if (runtimeClass === undefined) return;
    const fixed = runtimeClass.overhead?.podFixed;
    if (fixed !== undefined) {
      this.checkOverhead(request, pod, fixed);
      pod.spec.overhead = { ...fixed };
    }
    const { nodeSelector = {}, tolerations = [] } = runtimeClass.scheduling ?? {};
    const own = pod.spec.nodeSelector ?? {};
    for (const [key, value] of Object.entries(nodeSelector)) {
      if (own[key] === undefined || own[key] === value) continue;
      const selector = `runtimeClass.scheduling.nodeSelector[${key}] = ${value}`;
      throw refuse(request, `conflict: ${selector}; pod.spec.nodeSelector[${key}] = ${own[key]}`);
    }
    if (Object.keys(nodeSelector).length > 0) pod.spec.nodeSelector = { ...own, ...nodeSelector };
    if (tolerations.length > 0) pod.spec.tolerations = mergeTolerations(pod.spec.tolerations ?? [], tolerations);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const pod = newState(request, pods);
    if (pod === null) return;
    const fixed = this.classOf(request, pod)?.overhead?.podFixed;
    if (fixed !== undefined) this.checkOverhead(request, pod, fixed);
    else if (Object.keys(pod.spec?.overhead ?? {}).length > 0) {
      throw refuse(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
    }
  }

  private classOf(request: AdmissionRequest, pod: Pod): RuntimeClass | undefined {
    const name = pod.spec?.runtimeClassName ?? '';
    if (name === '') return undefined;
    const runtimeClass = this.reader.get(runtimeclasses, { name });
    if (runtimeClass === undefined) throw refuse(request, `pod rejected: RuntimeClass ${goQuote(name)} not found`);
    return runtimeClass;
  }

  private checkOverhead(request: AdmissionRequest, pod: Pod, fixed: Readonly<Record<string, string>>): void {
    const own = pod.spec?.overhead ?? {};
    if (Object.keys(own).length === 0 || sameAmounts(own, fixed)) return;
    throw refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
}

function sameAmounts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => {
    const [left, right] = [a[key], b[key]];
    return (
      left !== undefined && right !== undefined && compareQuantities(parseQuantity(left), parseQuantity(right)) === 0
    );
  });
}

function mergeTolerations(own: Draft<Toleration>[], added: readonly Toleration[]): Draft<Toleration>[] {
  const merged = [...own];
  for (const toleration of added) {
    if (!merged.some((standing) => isDeepStrictEqual(standing, toleration))) merged.push({ ...toleration });
  }
  return merged;
}

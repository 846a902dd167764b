import type { CgroupLimits, QosClass } from '../../engines/cgroups/pod-cgroups.ts';
import { cpuPeriodUs } from '../../engines/cgroups/pod-cgroups.ts';
import type { LinuxContainerResources } from '../../engines/containerd/cri-messages.ts';
import { atNeediest, type Sums } from '../../kube/pod-resources.ts';
import { qosClassOf } from '../../kube/qos.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '../../kube/quantity.ts';
import { criticalPriority } from '../../kube/scheduling.ts';
import type { Container, Pod, ResourceRequirements } from '../../kube/types.gen.ts';

/** CPU in millicores, memory in bytes; undefined where nothing is said. */
interface Amounts {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
}

type ResourceList = Readonly<Record<string, string>> | undefined;

function amounts(list: ResourceList): Amounts {
  const { cpu, memory } = list ?? {};
  return {
    cpu: cpu === undefined ? undefined : quantityMilliValue(parseQuantity(cpu)),
    memory: memory === undefined ? undefined : quantityValue(parseQuantity(memory)),
  };
}

function requestsOf(resources: ResourceRequirements | undefined): Amounts {
  const [requests, limits] = [amounts(resources?.requests), amounts(resources?.limits)];
  // The API server defaults requests to limits; a pod that did not pass it means the same.
  return { cpu: requests.cpu ?? limits.cpu, memory: requests.memory ?? limits.memory };
}

/** The pod's quality of service class, which decides on its place among the cgroups and who goes first when memory is short. */
export function qosClass(pod: Pod): QosClass {
  return pod.spec === undefined ? 'BestEffort' : qosClassOf(pod.spec);
}

/** cgroup shares of a CPU request in millicores, at least 2. */
export function sharesOf(milliCpu: number | undefined): number {
  return Math.min(Math.max(Math.floor(((milliCpu ?? 0) * 1024) / 1000), 2), 262_144);
}

/** Microseconds in each period for a CPU limit in millicores, at least a thousandth of a second. */
export function quotaOf(milliCpu: number): number {
  return Math.max(Math.floor((milliCpu * cpuPeriodUs) / 1000), 1000);
}

/** The runtime's settings of one container. `nodeMemoryBytes` scales oom_score_adj as kubelet does. */
export function containerResources(pod: Pod, container: Container, nodeMemoryBytes: number): LinuxContainerResources {
  const limits = amounts(container.resources?.limits);
  const requests = requestsOf(container.resources);
  const unlimited = limits.memory === undefined || limits.memory === 0;
  return {
    cpuShares: sharesOf(requests.cpu),
    ...(limits.cpu ? { cpuQuota: quotaOf(limits.cpu), cpuPeriod: cpuPeriodUs } : {}),
    ...(unlimited ? {} : { memoryLimitInBytes: limits.memory, memorySwapLimitInBytes: limits.memory }),
    oomScoreAdj: oomScoreAdj(pod, container, nodeMemoryBytes),
  };
}

/** Guaranteed pods die last, BestEffort ones first, Burstable ones the earlier the less memory they asked for. */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  if ((pod.spec?.priority ?? 0) >= criticalPriority) return -997;
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const request = requestsOf(container.resources).memory ?? 0;
  const score = 1000 - Math.floor((1000 * request) / nodeMemoryBytes);
  return Math.min(Math.max(score, 1000 - 997), 999);
}

/** The bounds of the whole pod: limits count only when every container has one (or the pod itself has). */
export function podLimits(pod: Pod): CgroupLimits {
  const cpuRequest = podRequest(pod, 'cpu');
  const own = amounts(pod.spec?.resources?.limits);
  const cpu = own.cpu ?? sumOfLimits(pod, 'cpu');
  const memory = own.memory ?? sumOfLimits(pod, 'memory');
  return {
    cpuShares: sharesOf(cpuRequest),
    ...(cpu === undefined ? {} : { cpuQuotaUs: quotaOf(cpu) }),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
  };
}

/** What a pod asked for, in bytes. */
export function memoryRequest(pod: Pod): number {
  return podRequest(pod, 'memory');
}

function podRequest(pod: Pod, name: 'cpu' | 'memory'): number {
  const own = requestsOf(pod.spec?.resources)[name];
  const total = own ?? atNeediest(pod, ({ resources }) => requestsOf(resources)[name] ?? 0, numbers);
  return total + (amounts(pod.spec?.overhead)[name] ?? 0);
}

function sumOfLimits(pod: Pod, name: 'cpu' | 'memory'): number | undefined {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  if (containers.some(({ resources }) => !amounts(resources?.limits)[name])) return undefined;
  const total = atNeediest(pod, ({ resources }) => amounts(resources?.limits)[name] ?? 0, numbers);
  return total + (amounts(pod.spec?.overhead)[name] ?? 0);
}

const numbers: Sums<number> = { none: 0, sum: (a, b) => a + b, larger: Math.max };

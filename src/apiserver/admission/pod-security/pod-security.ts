import { isObject } from '../../../core/json.ts';
import { goQuote } from '../../../kube/go-json.ts';
import type { Resource } from '../../../kube/resource.ts';
import {
  cronjobs,
  daemonsets,
  deployments,
  jobs,
  namespaces,
  pods,
  podtemplates,
  replicasets,
  replicationcontrollers,
  statefulsets,
} from '../../../kube/resources.gen.ts';
import type { Namespace, Pod } from '../../../kube/types.gen.ts';
import { invalid } from '../../errors.ts';
import type { ClusterReader } from '../../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import { isAbout, newState, oldState, refuse } from '../target.ts';
import type { Subject } from './check.ts';
import {
  describeLevel,
  describeViolations,
  isSameLevel,
  isStricter,
  type LevelVersion,
  policyOf,
  violations,
} from './policy.ts';

/** Pods of a namespace that are looked at when its labels begin to enforce a level. */
const maxPodsChecked = 3000;

const ignoredSubresources = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']);

/** Where each kind that makes pods keeps their template. */
const templates: readonly (readonly [Resource, readonly string[]])[] = [
  [deployments, ['spec', 'template']],
  [replicasets, ['spec', 'template']],
  [replicationcontrollers, ['spec', 'template']],
  [statefulsets, ['spec', 'template']],
  [daemonsets, ['spec', 'template']],
  [jobs, ['spec', 'template']],
  [cronjobs, ['spec', 'jobTemplate', 'spec', 'template']],
  [podtemplates, ['template']],
];

/** The Pod Security Standards, as a namespace's pod-security.kubernetes.io labels ask for them. */
export class PodSecurity implements AdmissionPlugin {
  readonly name = 'PodSecurity';
  private readonly reader: ClusterReader;

  constructor(reader: ClusterReader) {
    this.reader = reader;
  }

  handles(request: AdmissionRequest): boolean {
    const { operation, info } = request;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
    if (info.group === '' && info.resource === 'pods') return !ignoredSubresources.has(info.subresource);
    return isAbout(request, namespaces) || templates.some(([resource]) => isAbout(request, resource));
  }

  async validate(request: AdmissionRequest): Promise<void> {
    if (isAbout(request, namespaces)) this.namespace(request);
    else if (request.info.resource === 'pods') this.pod(request);
    else this.template(request);
  }

  private pod(request: AdmissionRequest): void {
    const pod = newState(request, pods);
    if (pod?.spec === undefined) return;
    const old = oldState(request, pods);
    if (old !== null && !isSignificant(pod, old)) return;
    this.evaluate(request, { metadata: pod.metadata, spec: pod.spec }, true);
  }

  private template(request: AdmissionRequest): void {
    const path = templates.find(([resource]) => isAbout(request, resource))?.[1] ?? [];
    let value: unknown = request.object;
    for (const member of path) value = isObject(value) ? value[member] : undefined;
    if (!isObject(value) || !isObject(value['spec'])) return;
    const metadata = isObject(value['metadata']) ? value['metadata'] : {};
    this.evaluate(request, { metadata, spec: value['spec'] as unknown as Subject['spec'] }, false);
  }

  private evaluate(request: AdmissionRequest, subject: Subject, isEnforced: boolean): void {
    const labels = this.reader.get(namespaces, { name: request.info.namespace })?.metadata.labels;
    const { policy } = policyOf(labels);
    const { enforce, warn } = policy;
    const broken = isEnforced ? violations(enforce, subject) : [];
    if (broken.length > 0) {
      throw refuse(request, `violates PodSecurity ${goQuote(describeLevel(enforce))}: ${describeViolations(broken)}`);
    }
    const warned = violations(warn, subject);
    if (warned.length === 0) return;
    request.warn(`would violate PodSecurity ${goQuote(describeLevel(warn))}: ${describeViolations(warned)}`);
  }

  private namespace(request: AdmissionRequest): void {
    const current = newState(request, namespaces);
    if (current === null) return;
    const { policy, errors } = policyOf(current.metadata.labels);
    const old: Namespace | null = oldState(request, namespaces);
    const before = old === null ? undefined : policyOf(old.metadata.labels);
    // What stood before with its mistake may go on standing.
    const isOldMistake = before !== undefined && JSON.stringify(before.errors) === JSON.stringify(errors);
    if (errors.length > 0 && !isOldMistake) throw invalid(namespaces, current.metadata.name ?? '', errors);
    if (before === undefined) return;
    const [now, then] = [policy.enforce, before.policy.enforce];
    if (isSameLevel(now, then) || now.level === 'privileged') return;
    if (now.minor === then.minor && !isStricter(now.level, then.level)) return;
    for (const text of this.warningsFor(current.metadata.name ?? '', now)) request.warn(text);
  }

  /** What the pods that already run in a namespace would break. */
  private warningsFor(namespace: string, level: LevelVersion): readonly string[] {
    const all = this.reader.list(pods, namespace);
    const byReason = new Map<string, string[]>();
    for (const { metadata, spec } of all.slice(0, maxPodsChecked)) {
      const broken = spec === undefined ? [] : violations(level, { metadata, spec });
      if (broken.length === 0) continue;
      const reason = broken.map((violation) => violation.reason).join(', ');
      byReason.set(reason, [...(byReason.get(reason) ?? []), metadata.name ?? '']);
    }
    const lines = [...byReason].map(([reason, names]) => {
      const [first] = names.sort();
      const others = names.length - 1;
      const more = others === 0 ? '' : others === 1 ? ' (and 1 other pod)' : ` (and ${others} other pods)`;
      return `${first}${more}: ${reason}`;
    });
    const checked = Math.min(all.length, maxPodsChecked);
    return [
      ...(checked < all.length
        ? [`new PodSecurity enforce level only checked against the first ${checked} of ${all.length} existing pods`]
        : []),
      ...(lines.length > 0
        ? [
            `existing pods in namespace ${goQuote(namespace)} violate the new PodSecurity enforce level ${goQuote(describeLevel(level))}`,
          ]
        : []),
      ...lines.sort(),
    ];
  }
}

/** Whether an update changed what the rules look at: images, and containers that were added while the pod runs. */
function isSignificant(pod: Pod, old: Pod): boolean {
  const images = ({ spec }: Pod) =>
    [spec?.initContainers, spec?.containers, spec?.ephemeralContainers].map((list) =>
      (list ?? []).map(({ name, image }) => [name, image]),
    );
  const seccomp = ({ metadata }: Pod) =>
    Object.entries(metadata.annotations ?? {}).filter(([key]) => key.includes('seccomp.security.alpha.kubernetes.io/'));
  return JSON.stringify([images(pod), seccomp(pod)]) !== JSON.stringify([images(old), seccomp(old)]);
}

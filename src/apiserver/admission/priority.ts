import { pods, priorityclasses } from '../../kube/resources.gen.ts';
import type { PriorityClass } from '../../kube/types.gen.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isAbout, newState, oldState, refuse } from './target.ts';

const systemClasses = new Set(['system-cluster-critical', 'system-node-critical']);

/** Turns a pod's PriorityClass into its number, and sees to it that there is one default class at most. */
export class PriorityAdmission implements AdmissionPlugin {
  readonly name = 'Priority';
  private readonly reader: ClusterReader;

  constructor(reader: ClusterReader) {
    this.reader = reader;
  }

  handles(request: AdmissionRequest): boolean {
    return isAbout(request, pods) || isAbout(request, priorityclasses);
  }

  async admit(request: AdmissionRequest): Promise<void> {
    if (!isAbout(request, pods)) return;
    if (request.operation === 'UPDATE') this.keep(request);
    else if (request.operation === 'CREATE') this.resolve(request);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    if (!isAbout(request, priorityclasses)) return;
    if (request.operation === 'DELETE') {
      if (!systemClasses.has(request.info.name)) return;
      throw refuse(request, 'this is a system priority class and cannot be deleted');
    }
    const wanted = newState(request, priorityclasses);
    if (wanted?.globalDefault !== true) return;
    const standing = this.defaultClass();
    if (standing === undefined || standing.metadata.name === wanted.metadata.name) return;
    throw refuse(
      request,
      `PriorityClass ${standing.metadata.name} is already marked as default. Only one default can exist`,
    );
  }

  // A client that doesn't know these fields sends none; they can't change.
  private keep(request: AdmissionRequest): void {
    const spec = newState(request, pods)?.spec;
    const old = oldState(request, pods)?.spec;
    if (spec === undefined || old === undefined) return;
    if (spec.priority === undefined && old.priority !== undefined) spec.priority = old.priority;
    if (spec.preemptionPolicy === undefined && old.preemptionPolicy !== undefined) {
      spec.preemptionPolicy = old.preemptionPolicy;
    }
  }

  private resolve(request: AdmissionRequest): void {
    const spec = newState(request, pods)?.spec;
    if (spec === undefined) return;
    const given = spec.priorityClassName ?? '';
    const found = given === '' ? this.defaultClass() : this.reader.get(priorityclasses, { name: given });
    if (given !== '' && found === undefined) throw refuse(request, `no PriorityClass with name ${given} was found`);
    if (given === '' && found?.metadata.name !== undefined) spec.priorityClassName = found.metadata.name;
    const priority = found?.value ?? 0;
    const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
    const computed = (value: string | number) =>
      `must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`;
    if (spec.priority !== undefined && spec.priority !== null && spec.priority !== priority) {
      throw refuse(request, `the integer value of priority (${spec.priority}) ${computed(priority)}`);
    }
    if (spec.preemptionPolicy && spec.preemptionPolicy !== policy) {
      throw refuse(request, `the string value of PreemptionPolicy (${spec.preemptionPolicy}) ${computed(policy)}`);
    }
    spec.priority = priority;
    spec.preemptionPolicy = policy;
  }

  /** The default class; of several (two were made at the same time) the one with the lowest value. */
  private defaultClass(): PriorityClass | undefined {
    const defaults = this.reader.list(priorityclasses).filter((one) => one.globalDefault === true);
    return defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  }
}

import { findCondition, withCondition } from '../../kube/conditions.ts';
import type { KubeObject } from '../../kube/object.ts';
import { keyOf, parseKey, type Resource } from '../../kube/resource.ts';
import { isReason } from '../../kube/status-error.ts';
import { formatTime } from '../../kube/time.ts';
import type { Condition } from '../../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, type Watch } from '../../runtime/controller.ts';
import type { Problem } from '../configuration.ts';
import { configurationWatches, readConfiguration } from '../configuration-view.ts';
import {
  bfdProfiles,
  bgpAdvertisements,
  bgpPeers,
  communities,
  ipAddressPools,
  l2Advertisements,
} from '../metallb/kinds.ts';

const everything = 'all';
const conditionType = 'Valid';

type Judged = KubeObject & { readonly status?: { readonly conditions?: readonly Condition[] } };

const judged = [
  ipAddressPools,
  l2Advertisements,
  bgpAdvertisements,
  bgpPeers,
  bfdProfiles,
  communities,
] as readonly Resource<KubeObject>[];

/** Tells on each object of the configuration whether all of it is in force: by a condition, and an Event when it is not. */
export class ConfigurationController implements Controller {
  readonly name = 'load-balancer-configuration';
  readonly watches: readonly Watch[] = configurationWatches(() => [everything]);
  readonly #told = new Map<string, string>();

  async reconcile(_key: string, context: ControllerContext): Promise<Outcome> {
    const { problems } = readConfiguration(context.informers);
    const byObject = new Map<string, Problem[]>();
    for (const problem of problems) {
      const id = identityOf(problem.object);
      byObject.set(id, [...(byObject.get(id) ?? []), problem]);
    }
    const failures: unknown[] = [];
    for (const resource of judged) {
      for (const object of context.informers.of(resource).list() as readonly Judged[]) {
        const own = byObject.get(identityOf(object)) ?? [];
        await this.#judge(resource, object, own, context).catch((error: unknown) => {
          if (!isReason(error, 'NotFound')) failures.push(error);
        });
      }
    }
    for (const [id, own] of byObject) this.#tell(id, own, context);
    for (const id of [...this.#told.keys()]) if (!byObject.has(id)) this.#told.delete(id);
    if (failures.length > 0) throw failures[0];
    return done;
  }

  async #judge(
    resource: Resource,
    object: Judged,
    problems: readonly Problem[],
    context: ControllerContext,
  ): Promise<void> {
    const standing = findCondition(object.status?.conditions, conditionType);
    const next = {
      type: conditionType,
      status: problems.length === 0 ? 'True' : 'False',
      reason: problems.length === 0 ? 'InForce' : 'LeftOut',
      message: problems.map(textOf).join('; '),
      lastTransitionTime: formatTime(context.clock.now()),
    } satisfies Condition;
    const conditions = withCondition(object.status?.conditions, next);
    if (standing !== undefined && conditions === object.status?.conditions) return;
    await context.client.patch(
      resource,
      parseKey(keyOf(object)),
      { type: 'merge', body: { status: { conditions } } },
      { subresource: 'status' },
    );
  }

  #tell(id: string, problems: readonly Problem[], { events }: ControllerContext): void {
    const text = problems.map(textOf).join('\n');
    if (this.#told.get(id) === text) return;
    this.#told.set(id, text);
    for (const problem of problems) events.event(problem.object, 'Warning', 'LeftOut', textOf(problem), problem.field);
  }
}

function textOf({ field, message }: Problem): string {
  return `${field}: ${message}`;
}

function identityOf(object: KubeObject): string {
  return `${object.apiVersion} ${object.kind} ${keyOf(object)}`;
}

import { describeError } from '../core/errors.ts';
import { apiVersionOf } from '../kube/resource.ts';
import { componentstatuses } from '../kube/resources.gen.ts';
import { componentStatusTable } from '../kube/tables/core.ts';
import type { ComponentCondition } from '../kube/types.gen.ts';
import { type Answer, type Call, type ListedKind, objectAnswer } from './answer.ts';
import { Entry } from './cache/entry.ts';
import type { WatchHub } from './cache/hub.ts';
import type { VirtualResource } from './dispatch.ts';
import { notFound } from './errors.ts';

interface Component {
  readonly name: string;
  check(): Promise<void>;
}

/** The deprecated list of the parts that a control plane once had; here the datastore is the one that can fail by itself. */
export function componentStatusResource(hub: WatchHub): VirtualResource {
  const components: readonly Component[] = [
    {
      name: 'etcd-0',
      check: async () => {
        await hub.backend.currentRevision();
      },
    },
  ];
  return {
    ...componentstatuses,
    methods: ['GET'],
    discovered: componentstatuses,
    handle: (call) => answer(components, call),
  };
}

const served: ListedKind = {
  resource: componentstatuses,
  apiVersion: apiVersionOf(componentstatuses),
  kind: { table: componentStatusTable },
  isCustom: false,
};

async function answer(components: readonly Component[], call: Call): Promise<Answer> {
  const { name } = call.info;
  if (name === '') {
    const entries = await Promise.all(components.map(statusOf));
    return { type: 'list', served, entries, metadata: {} };
  }
  const component = components.find((one) => one.name === name);
  if (component === undefined) throw notFound({ ...componentstatuses, plural: 'componentstatus' }, name);
  return objectAnswer(200, served, await statusOf(component));
}

async function statusOf({ name, check }: Component): Promise<Entry> {
  const condition = await conditionOf(check);
  const object = {
    kind: componentstatuses.kind,
    apiVersion: served.apiVersion,
    metadata: { name },
    conditions: [condition],
  };
  return new Entry('', name, 0, Buffer.from(`${JSON.stringify(object)}\n`), object);
}

async function conditionOf(check: Component['check']): Promise<ComponentCondition> {
  try {
    await check();
    return { type: 'Healthy', status: 'True', message: 'ok' };
  } catch (thrown) {
    return { type: 'Healthy', status: 'False', error: describeError(thrown) };
  }
}

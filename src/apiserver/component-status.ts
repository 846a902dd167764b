import { componentstatuses } from '../kube/resources.gen.ts';
import { type Answer, type Call, objectAnswer } from './answer.ts';
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

async function answer(components: readonly Component[], call: Call): Promise<Answer> {
  const { name } = call.info;
  if (name === '') {
    const items = await Promise.all(components.map(statusOf));
    return objectAnswer(200, null, { kind: 'ComponentStatusList', apiVersion: 'v1', metadata: {}, items });
  }
  const component = components.find((one) => one.name === name);
  if (component === undefined) throw notFound({ ...componentstatuses, plural: 'componentstatus' }, name);
  return objectAnswer(200, null, { kind: 'ComponentStatus', apiVersion: 'v1', ...(await statusOf(component)) });
}

async function statusOf({ name, check }: Component): Promise<object> {
  try {
    await check();
    return { metadata: { name }, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    return { metadata: { name }, conditions: [{ type: 'Healthy', status: 'False', error }] };
  }
}

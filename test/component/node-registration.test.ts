/** A node's own reports, under the rules that an API server has for nodes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { nodes } from '../../src/kube/resources.gen.ts';
import { observeMachine, observeUse } from '../../src/node/registration/machine.ts';
import { startRegistration } from '../../src/node/registration/registration.ts';
import { createEventRecorder } from '../../src/runtime/event-recorder.ts';
import { eventually } from '../testbed/kubectl.ts';
import { type SecuredServer, startSecuredServer } from '../testbed/secured-server.ts';

const name = 'reporter';
let api: SecuredServer;
before(async () => {
  api = await startSecuredServer();
});
after(() => api?.[Symbol.asyncDispose]());

test('a node whose taints were changed behind its back reports on', async () => {
  const client = api.as({ name: `system:node:${name}`, groups: ['system:nodes', 'system:authenticated'] });
  const common = { client, clock: systemClock, log: silentLog };
  const [machine, use] = [await observeMachine(), await observeUse('/')];
  let podsMax = 110;
  await using events = createEventRecorder({ ...common, component: 'kubelet', host: name });
  await using registration = startRegistration({
    ...common,
    events,
    labels: {},
    taints: [],
    onNode: () => {},
    async facts() {
      return {
        ...{ name, hostname: name, addresses: ['192.0.2.1'], externalAddresses: [], machine, use, images: [] },
        ...{ pressure: { memory: false, disk: false, processes: false }, runtime: null, kubeletVersion: 'v1.36.2' },
        ...{ podsMax, kubeletPort: 10250, problems: [], now: Date.now() },
      };
    },
  });
  const capacity = async () => (await api.client.get(nodes, { name })).status?.capacity?.['pods'];
  await eventually('the node is Ready', 10_000, async () =>
    registration.node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
      ? true
      : undefined,
  );
  // The news of it has not reached the node yet when it reports again.
  const taints = [{ key: 'example.com/maintenance', value: '', effect: 'NoSchedule' }];
  await api.client.patch(nodes, { name }, { type: 'merge', body: { spec: { taints } } });
  podsMax = 42;
  registration.poke();
  await eventually('the report is taken', 10_000, async () => ((await capacity()) === '42' ? true : undefined));
  assert.deepEqual(
    (await api.client.get(nodes, { name })).spec?.taints?.map(({ key }) => key),
    ['example.com/maintenance'],
  );
});

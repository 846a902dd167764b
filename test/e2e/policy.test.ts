/** Network policies in a whole cluster: real pods, from the first packet of their first container on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

/** Pods whose first act is a forbidden connection. */
const hastyPods = 12;

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster({ name: 'np', images: [await imageArchive('busybox')] });
  await apply(server('web', 'default'));
  await cluster.must(['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']);
});
after(() => cluster?.[Symbol.asyncDispose]());

const image = 'docker.io/library/busybox:latest';

async function apply(...objects: readonly unknown[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(list) });
}

function server(name: string, namespace: string) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', 'mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www'],
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    },
  };
}

function policy(name: string, spec: object) {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'default' }, spec };
}

const addressOf = (pod: string) => cluster.must(['get', 'pod', pod, '-o', 'jsonpath={.status.podIP}']);
const reaches = async (pod: string, address: string) =>
  (await cluster.kubectl(['exec', pod, '--', 'timeout', '2', 'wget', '-qO-', `http://${address}:8080/`])).status === 0;
const becomes = (what: string, wanted: boolean, pod: string, address: string) =>
  eventually(what, 5_000, async () => ((await reaches(pod, address)) === wanted ? true : undefined));

test('a policy takes effect, is explained, told of and taken back', async () => {
  await apply(server('client', 'default'));
  await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s']);
  const web = await addressOf('web');
  assert.ok(await reaches('client', web));
  assert.equal((await cluster.wherry(['policy', 'explain', 'client', 'web', '8080'])).status, 0);

  await apply(policy('deny-all', { podSelector: {}, policyTypes: ['Ingress'] }));
  await becomes('the policy denies', false, 'client', web);
  const explained = await cluster.wherry(['policy', 'explain', 'client', 'web', 'http']);
  assert.equal(explained.status, 1, explained.stderr);
  assert.match(
    explained.stdout,
    /ingress of default\/web .*DENIED: NetworkPolicy default\/deny-all has no ingress rule/,
  );
  // The node reaches its own pod, and so do its probes.
  const fromNode = await cluster.inside('curl', ['-sS', '-m', '2', `http://${web}:8080/`]);
  assert.equal(fromNode.stdout, 'hello\n', fromNode.stderr);

  const denied = await cluster.wherry(['policy', 'denied', 'web']);
  assert.match(
    denied.stdout,
    /default\/web: denied ingress from \S+ \(default\/client\) to port 8080\/TCP: NetworkPolicy default\/deny-all/,
  );
  await eventually('an Event on the pod', 5_000, async () => {
    const selector = 'involvedObject.name=web,reason=NetworkPolicyDenied';
    const output = await cluster.must(['get', 'events', '--field-selector', selector, '-o', 'name']);
    return output === '' ? undefined : output;
  });

  await apply(
    policy('allow-client', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 'http' }] }],
    }),
  );
  await becomes('the second policy allows', true, 'client', web);
  await cluster.must(['delete', 'networkpolicy', '--all']);
});

test('a pod whose first act is forbidden does not get through', async () => {
  const web = await addressOf('web');
  await apply(policy('no-egress', { podSelector: { matchLabels: { kind: 'hasty' } }, policyTypes: ['Egress'] }));
  const command = `timeout 1 wget -qO- http://${web}:8080/ && exit 0; exit 7`;
  const names = Array.from({ length: hastyPods }, (_, index) => `hasty-${index}`);
  await apply(
    ...names.map((name) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels: { kind: 'hasty' } },
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', command] }],
      },
    })),
  );
  const codes = await eventually('all have ended', 60_000, async () => {
    const path = 'jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}';
    const output = (await cluster.must(['get', 'pods', '-l', 'kind=hasty', '-o', path])).trim();
    const found = output === '' ? [] : output.split(' ');
    return found.length === hastyPods ? found : undefined;
  });
  assert.deepEqual(new Set(codes), new Set(['7']));
  await cluster.must(['delete', 'pods', '-l', 'kind=hasty', '--grace-period=0', '--force']);
  await cluster.must(['delete', 'networkpolicy', '--all']);
});

test('a ClusterNetworkPolicy decides before and after NetworkPolicies, and says what it can not do', async () => {
  const web = await addressOf('web');
  const clusterPolicy = {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'quarantine' },
    spec: {
      tier: 'Admin',
      priority: 10,
      subject: { pods: { podSelector: { matchLabels: { app: 'web' } } } },
      ingress: [{ name: 'nobody', action: 'Deny', from: [{ namespaces: {} }] }],
    },
  };
  await apply(clusterPolicy);
  await becomes('the cluster policy denies', false, 'client', web);
  const explained = await cluster.wherry(['policy', 'explain', 'client', 'web', '8080']);
  assert.match(explained.stdout, /ClusterNetworkPolicy quarantine ingress\[0\] "nobody" \(Admin tier, Deny\)/);
  await eventually('its condition', 5_000, async () => {
    const path = 'jsonpath={.status.conditions[?(@.type=="Accepted")].status}';
    const status = await cluster.must(['get', 'cnp', 'quarantine', '-o', path]);
    return status === 'True' ? true : undefined;
  });
  const refused = await cluster.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ ...clusterPolicy, spec: { ...clusterPolicy.spec, priority: 1001 } }),
  });
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /priority/);
  await cluster.must(['delete', 'cnp', 'quarantine']);
  await becomes('it is taken back', true, 'client', web);
});

test('policies stay in force while the server is gone, and after it came back', async () => {
  const web = await addressOf('web');
  await apply(policy('deny-all', { podSelector: {}, policyTypes: ['Ingress'] }));
  await becomes('the policy denies', false, 'client', web);
  const rules = async () => (await cluster.inside('nft', ['list', 'table', 'inet', 'wherry-policy'])).stdout;
  await cluster.kill();
  assert.match(await rules(), /goto deny-ingress/);
  await cluster.restart();
  assert.equal(await reaches('client', web), false);
  await cluster.must(['delete', 'networkpolicy', '--all']);
  await becomes('it is taken back', true, 'client', web);
});

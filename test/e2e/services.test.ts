/** Services as users make them with kubectl, on a real cluster: node ports, affinity, health, policies, what goes wrong. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster({ name: 'svc', images: [await imageArchive('busybox')] });
  const script = 'mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www';
  const container = { name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script] };
  await cluster.must(['create', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'names' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'names' } },
        template: {
          metadata: { labels: { app: 'names' } },
          spec: { terminationGracePeriodSeconds: 1, containers: [container] },
        },
      },
    }),
  });
  await cluster.must(['rollout', 'status', 'deployment/names', '--timeout=60s']);
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

const get = (url: string) => cluster.inside('curl', ['-sS', '--max-time', '3', url]);
const field = (service: string, path: string) => cluster.must(['get', 'service', service, '-o', `jsonpath={${path}}`]);

/** Who answers a number of requests. */
async function answering(url: string, times = 20): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let i = 0; i < times; i++) names.add((await get(url)).stdout.trim());
  return names;
}

test('kubectl expose makes a node port that answers on the node and on 127.0.0.1, from all pods', async () => {
  await cluster.must(['expose', 'deployment', 'names', '--port=80', '--target-port=8080', '--type=NodePort']);
  const port = await field('names', '.spec.ports[0].nodePort');
  for (const host of [cluster.nodeIp, '127.0.0.1']) {
    await eventually(`${host}:${port} answers`, 10_000, async () =>
      (await get(`http://${host}:${port}/`)).stdout.startsWith('names-') ? true : undefined,
    );
  }
  assert.equal((await answering(`http://${cluster.nodeIp}:${port}/`)).size, 3);
});

test('session affinity that is switched on keeps a client with one pod', async () => {
  const url = `http://${await field('names', '.spec.clusterIP')}/`;
  await cluster.must(['patch', 'service', 'names', '-p', '{"spec":{"sessionAffinity":"ClientIP"}}']);
  await eventually('one pod answers', 10_000, async () => ((await answering(url, 8)).size === 1 ? true : undefined));
});

test('a load balancer with local traffic gets a health port, which follows the endpoints', async () => {
  const patch = { spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } };
  await cluster.must(['patch', 'service', 'names', '-p', JSON.stringify(patch)]);
  const port = await field('names', '.spec.healthCheckNodePort');
  const said = async () => JSON.parse((await get(`http://${cluster.nodeIp}:${port}/`)).stdout || '{}').localEndpoints;
  await eventually('the node has three endpoints', 10_000, async () => ((await said()) === 3 ? true : undefined));
  await cluster.must(['scale', 'deployment', 'names', '--replicas=1']);
  await eventually('the node has one endpoint', 30_000, async () => ((await said()) === 1 ? true : undefined));
});

test('the proxy tells its health, and a Service that is deleted refuses', async () => {
  assert.match((await get(`http://${cluster.nodeIp}:10256/healthz`)).stdout, /"nodeEligible":true/);
  const port = await field('names', '.spec.ports[0].nodePort');
  await cluster.must(['delete', 'service', 'names']);
  await eventually('the node port refuses', 10_000, async () =>
    // curl's status for a connection that was refused; 28 would be silence.
    (await get(`http://${cluster.nodeIp}:${port}/`)).status === 7 ? true : undefined,
  );
});

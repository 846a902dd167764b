/** The pod network of three machines, for tests: pods on each, who reaches whom, and what a backend has to go through. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabNode, LabServer } from '../testbed/lab/nodes.ts';

interface World {
  readonly lab: Lab;
  readonly server: LabServer;
  /** The server's node first. */
  readonly nodes: readonly LabNode[];
}

interface RunningPod {
  readonly name: string;
  readonly node: string;
  readonly addresses: readonly string[];
}

export async function startWorld(
  t: TestContext,
  name: string,
  options: { readonly flags?: readonly string[]; readonly hosts?: number; readonly dualStack?: boolean } = {},
): Promise<World> {
  const { flags = [], hosts: count = 3, dualStack = false } = options;
  const lab = await startLab({ name });
  t.after(() => lab[Symbol.asyncDispose]());
  const images = [await imageArchive('busybox')];
  const hosts: Host[] = [];
  for (let i = 1; i <= count; i++) hosts.push(await lab.addHost({ name: `${name}-${i}` }));
  const ips = (host: Host) => (dualStack ? ['--node-ip', host.addresses.join()] : []);
  const ranges = dualStack
    ? ['--cluster-cidr', '10.42.0.0/16,fd00:42::/56', '--service-cidr', '10.43.0.0/16,fd00:43::/112']
    : [];
  const [first, ...others] = hosts;
  assert.ok(first !== undefined);
  const server = await lab.startServer(first, { images, flags: [...flags, ...ranges, ...ips(first)] });
  const agents = await Promise.all(others.map((host) => lab.startAgent(host, { server, images, flags: ips(host) })));
  return { lab, server, nodes: [server, ...agents] };
}

/** Two pods a node, each of which answers HTTP requests with its name. */
export async function startPods({ server, nodes }: World): Promise<readonly RunningPod[]> {
  const names = nodes.flatMap(({ name }) => ['a', 'b'].map((suffix) => ({ name: `${name}-${suffix}`, node: name })));
  const items = names.map(({ name, node }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'mesh' } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'c',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', `echo ${name} >/tmp/index.html; exec httpd -f -p 8080 -h /tmp`],
        },
      ],
    },
  }));
  await server.must(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
  return await runningPods({ server, nodes });
}

export async function runningPods({ server, nodes }: Pick<World, 'server' | 'nodes'>): Promise<readonly RunningPod[]> {
  await server.must(['wait', '--for=condition=Ready', 'pod', '-l', 'app=mesh', '--timeout=90s']);
  const { items } = JSON.parse(await server.must(['get', 'pods', '-l', 'app=mesh', '-o', 'json']));
  const pods = items.map(
    (pod: { metadata: { name: string }; spec: { nodeName: string }; status: { podIPs: { ip: string }[] } }) => ({
      name: pod.metadata.name,
      node: pod.spec.nodeName,
      addresses: pod.status.podIPs.map(({ ip }) => ip),
    }),
  );
  assert.equal(pods.length, nodes.length * 2);
  return pods;
}

/** Whom each pod does not reach; empty when all reach all, under all of their addresses. */
export async function unreached(
  { server }: World,
  pods: readonly RunningPod[],
  from: readonly RunningPod[] = pods,
): Promise<readonly string[]> {
  const urls = pods.flatMap(({ name, addresses }) =>
    addresses.map((ip) => `${name}=http://${ip.includes(':') ? `[${ip}]` : ip}:8080/`),
  );
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own.
  const script = 'for u; do n=$(timeout 2 wget -qO- "${u#*=}" 2>/dev/null); [ "$n" = "${u%%=*}" ] || echo "$u"; done';
  const answers = await Promise.all(
    from.map(async ({ name }) => {
      const { status, stdout, stderr } = await server.kubectl(['exec', name, '--', 'sh', '-c', script, 'sh', ...urls]);
      return status === 0
        ? stdout
            .split('\n')
            .filter(Boolean)
            .map((url) => `${name} -> ${url}`)
        : [`${name}: ${stderr}`];
    }),
  );
  return answers.flat();
}

export async function untilMesh(world: World, pods: readonly RunningPod[], what: string): Promise<void> {
  let missing: readonly string[] = [];
  await eventually(`${what}: every pod reaches every pod`, 60_000, async () => {
    missing = await unreached(world, pods);
    return missing.length === 0 ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${what}: ${missing.join('; ')}`, { cause: error });
  });
}

const devices = {
  vxlan: 'flannel.1',
  'wireguard-native': 'flannel-wg',
  ipsec: 'ipsec0',
  'host-gw': undefined,
} as const;

/** Tests one backend: every pod reaches every pod through kills, a reboot, another address and a cut link. */
export function testBackend(backend: keyof typeof devices): void {
  test(`${backend}: every pod reaches every pod, whatever happens to agents and machines`, async (t) => {
    const world = await startWorld(t, backend.slice(0, 5).replace(/-$/, ''), { flags: ['--flannel-backend', backend] });
    const { lab, server, nodes } = world;
    const [, second, third] = nodes;
    assert.ok(second !== undefined && third !== undefined);
    const pods = await startPods(world);
    await untilMesh(world, pods, 'after the start');

    const status = await third.wherry(['status']);
    assert.match(status.stdout, new RegExp(`^ok +Pod network +.*${backend}.*joined with 2 other nodes`, 'm'));

    // Killed agents leave the network as it is, and their next start changes nothing.
    const device = async () =>
      (await third.host.must('ip', ['-o', 'link'])).match(/^\d+: (?:flannel|ipsec)[^:]*/gm) ?? [];
    const before = await device();
    await third.kill();
    const elsewhere = pods.filter(({ node }) => node !== third.name);
    assert.deepEqual(await unreached(world, pods, elsewhere), []);
    await third.restart();
    await untilMesh(world, pods, 'after kill -9 and a restart');
    assert.deepEqual(await device(), before);

    // What somebody takes away is back within two seconds.
    const routes = () => second.host.must('sh', ['-c', 'ip route show proto 87 | sort']);
    const standing = await routes();
    await second.host.must('ip', ['route', 'flush', 'proto', '87']);
    const name = devices[backend];
    if (name !== undefined) await second.host.must('ip', ['link', 'delete', name]);
    await eventually('all routes are back', 2000, async () => ((await routes()) === standing ? true : undefined));
    await untilMesh(world, pods, 'after a device was deleted');

    await third.host.reboot();
    await third.restart();
    await untilMesh(world, await runningPods(world), 'after a reboot');

    await second.host.link.cut();
    await second.host.link.restore();
    await untilMesh(world, await runningPods(world), 'after a link was cut');

    await third.stop();
    await third.host.changeAddress(third.host.addresses.map((address) => address.replace(/\d+$/, '77')));
    await third.restart(['--node-ip', third.host.address]);
    await untilMesh(world, await runningPods(world), 'after another address');

    // Routes of a node that is removed go.
    await third.kill();
    const range = await server.must(['get', 'node', third.name, '-o', 'jsonpath={.spec.podCIDR}']);
    assert.match(await second.host.must('ip', ['route']), new RegExp(`^${range} `, 'm'));
    await server.must(['delete', 'node', third.name]);
    await eventually('its route is gone', 5000, async () =>
      (await second.host.must('ip', ['route'])).includes(range) ? undefined : true,
    );
    assert.ok(lab.hosts.length === 3);
  });
}

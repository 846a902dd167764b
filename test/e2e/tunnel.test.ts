/** Public access: a cluster behind NAT whose Services are reached at an exit, as the walk-through of inlets has it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabServer } from '../testbed/lab/nodes.ts';

const wherry = path.join(import.meta.dirname, '../../wherry');
const examples = path.join(import.meta.dirname, '../../examples/tunnel');
const token = 'c0ffee00c0ffee00c0ffee00c0ffee00';

let lab: Lab;
let exit: Host;
let home: Host;
let user: Host;
let server: LabServer;

before(async () => {
  lab = await startLab({ name: 'public' });
  [exit, home, user] = await Promise.all([
    lab.addHost({ name: 'exit' }),
    lab.addHost({ name: 'home', segment: 1 }),
    lab.addHost({ name: 'user', segment: 2 }),
  ]);
  // Nobody reaches the home from outside.
  await home.must('nft', ['-f', '-'], {
    input:
      'table inet home { chain input { type filter hook input priority -10; iifname "eth0" ct state new drop; }\n}',
  });
  await exit.writeFile('/etc/tunnel/token', `${token}\n`);
  const running = exit.start(wherry, [
    ...[
      'tunnel',
      'server',
      '--no-install',
      '--port',
      '80',
      '--control-port',
      '8080',
      '--token-from',
      '/etc/tunnel/token',
    ],
    ...['--data-dir', '/var/lib/tunnel'],
  ]);
  running.stderr.on('data', (chunk) => process.stderr.write(chunk));
  await eventually('the exit listens', 30_000, async () =>
    (await exit.run('curl', ['-sS', 'http://127.0.0.1:8002/healthz'])).stdout === 'ok\n' ? true : undefined,
  );
  server = await lab.startServer(home, { images: [await imageArchive('nginx')] });
});
after(() => lab?.[Symbol.asyncDispose]());

const page = (...args: string[]) => user.run('curl', ['-sS', '--max-time', '10', ...args]);

/** An example as it stands, for this exit. */
async function create(file: string): Promise<void> {
  const text = readFileSync(path.join(examples, file), 'utf8').replaceAll('exit.example.org', exit.address);
  await home.writeFile(`/tmp/wherry-public/${file}`, text);
  await server.must(['apply', '-f', `/tmp/wherry-public/${file}`]);
}

test('a Service of the class shows the exit as its external IP and is reached there', async () => {
  await server.must([
    'create',
    'secret',
    'generic',
    'exit-token',
    '-n',
    'kube-system',
    `--from-literal=token=${token}`,
  ]);
  await create('tunnel.yaml');
  await create('web.yaml');
  await server.must(['wait', '--for=condition=Available', 'deployment/web', '--timeout=60s']);
  const shown = await eventually('the external IP', 20_000, async () => {
    const text = await server.must(['get', 'service', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}']);
    return text === '' ? undefined : text;
  });
  assert.equal(shown, exit.address);
  assert.match(
    await server.must(['get', 'services', 'web']),
    new RegExp(`LoadBalancer +\\S+ +${exit.address.replaceAll('.', '\\.')} +8081:`),
  );
  assert.match(await server.must(['get', 'tunnels']), /^home +\S+ +True +198/m);
  await eventually('users reach it', 20_000, async () => {
    const { stdout, stderr } = await page(`http://${exit.address}:8081/`);
    if (stdout.includes('nginx')) return true;
    throw new Error(stderr + stdout);
  });
  // By host name, several Services share one port.
  await server.must(['annotate', 'service', 'web', 'wherry.dev/tunnel-hostnames=shop.example.org']);
  await eventually('users reach it by name', 20_000, async () => {
    const { stdout } = await page('-H', 'Host: shop.example.org', `http://${exit.address}/`);
    return stdout.includes('nginx') || undefined;
  });
  assert.equal((await page(`http://${exit.address}:8081/`)).status, 7);
});

test("the walk-through's command line, with the cluster IP as upstream", async () => {
  const clusterIP = await server.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
  await home.must('sh', ['-c', `echo '${exit.address} mydomain.be' >>/etc/hosts`]);
  const client = home.start(wherry, [
    ...['tunnel', 'client', '--no-install', '--remote', 'mydomain.be:8080'],
    ...['--upstream', `http://${clusterIP}:8081`, '--token', token],
  ]);
  await eventually('http://mydomain.be is the cluster', 20_000, async () => {
    const { stdout } = await page('-H', 'Host: mydomain.be', `http://${exit.address}/`);
    return stdout.includes('nginx') || undefined;
  });
  client.signal('SIGTERM');
  assert.equal(await client.ended, 0);
  await eventually(
    'and nothing without its client',
    10_000,
    async () =>
      (await page('-H', 'Host: mydomain.be', `http://${exit.address}/`)).stdout.startsWith('404') || undefined,
  );
});

test('the server is killed, and the tunnel is there again after it', async () => {
  await server.kill();
  await eventually(
    'the exit has no client',
    15_000,
    async () =>
      (await exit.must('curl', ['-sS', 'http://127.0.0.1:8002/metrics'])).includes('wherry_tunnel_clients 0') ||
      undefined,
  );
  await server.restart();
  await eventually(
    'users reach it again',
    40_000,
    async () =>
      (await page('-H', 'Host: shop.example.org', `http://${exit.address}/`)).stdout.includes('nginx') || undefined,
  );
});

test('the same by kubeconfig alone, for a cluster that knows nothing of it', async () => {
  await server.kill();
  await server.restart(['--disable', 'tunnel']);
  await eventually(
    'the server does not serve it',
    15_000,
    async () =>
      (await exit.must('curl', ['-sS', 'http://127.0.0.1:8002/metrics'])).includes('wherry_tunnel_clients 0') ||
      undefined,
  );
  const addon = home.start(wherry, ['addon', 'tunnel', '--no-install', '--kubeconfig', server.kubeconfig]);
  await eventually(
    'users reach it through the addon',
    40_000,
    async () =>
      (await page('-H', 'Host: shop.example.org', `http://${exit.address}/`)).stdout.includes('nginx') || undefined,
  );
  addon.signal('SIGTERM');
  assert.equal(await addon.ended, 0);
});

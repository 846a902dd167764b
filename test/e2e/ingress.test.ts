/** The walk-through of Ingresses: host names of a cluster, asked for from outside at the node's address. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually, runCommand } from '../testbed/kubectl.ts';

const examples = path.join(import.meta.dirname, '../../examples/ingress');
const folder = mkdtempSync(path.join(tmpdir(), 'wherry-e2e-ingress-'));

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster({ name: 'ingress', images: [await imageArchive('nginx')] });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const curl = (...args: string[]) => runCommand('curl', ['-sS', '--max-time', '10', ...args]);
const at = (host: string) => [
  '--resolve',
  `${host}:80:${cluster.nodeIp}`,
  '--resolve',
  `${host}:443:${cluster.nodeIp}`,
];
const until = (what: string, words: RegExp, ask: () => Promise<{ readonly stdout: string; readonly stderr: string }>) =>
  eventually(what, 30_000, async () => {
    const { stdout, stderr } = await ask();
    if (words.test(stdout)) return stdout;
    throw new Error(stdout + stderr);
  });

test('a host name leads to the pods, and kubectl shows where', async () => {
  await cluster.must(['apply', '-f', path.join(examples, 'web.yaml')]);
  await cluster.must(['wait', '--for=condition=Available', 'deployment/web', '--timeout=60s']);
  await until('the page', /Welcome to nginx/, () => curl(...at('mydomain.be'), 'http://mydomain.be/'));
  await until(
    'the address',
    new RegExp(`web +wherry +mydomain\\.be +${cluster.nodeIp.replaceAll('.', '\\.')} +80`),
    () => cluster.kubectl(['get', 'ingress']),
  );
  assert.equal(
    (await curl(...at('other.be'), '-o', '/dev/null', '-w', '%{http_code}', 'http://other.be/')).stdout,
    '404',
  );
  assert.match((await cluster.wherry(['status'])).stdout, /Ingress .*1 Ingresses on ports 80 and 443/);
});

test('HTTPS shows the certificate of the Secret, by the class that k3s has', async () => {
  await cluster.must(['apply', '-f', path.join(examples, 'tls.yaml')]);
  await until('the missing Secret is told', /SecretNotFound/, () => cluster.kubectl(['describe', 'ingress', 'shop']));
  const [key, certificate] = [path.join(folder, 'tls.key'), path.join(folder, 'tls.crt')];
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-subj',
      '/CN=shop.mydomain.be',
      '-addext',
      'subjectAltName=DNS:shop.mydomain.be',
      '-keyout',
      key,
      '-out',
      certificate,
    ],
  ]);
  await cluster.must(['create', 'secret', 'tls', 'shop-tls', `--cert=${certificate}`, `--key=${key}`]);
  await until('the page, verified', /Welcome to nginx/, () =>
    curl(...at('shop.mydomain.be'), '--cacert', certificate, 'https://shop.mydomain.be/'),
  );
  const sent = await curl(
    ...at('shop.mydomain.be'),
    '-o',
    '/dev/null',
    '-w',
    '%{http_code} %{redirect_url}',
    'http://shop.mydomain.be/a?b=c',
  );
  assert.equal(sent.stdout, '308 https://shop.mydomain.be/a?b=c');
});

test('a Service of type LoadBalancer learns who has port 80', async () => {
  await cluster.must(['expose', 'deployment', 'web', '--name', 'direct', '--type', 'LoadBalancer', '--port', '80']);
  await until('the holder', /belongs to the ingress/, () => cluster.kubectl(['describe', 'service', 'direct']));
  await cluster.must(['delete', 'service', 'direct']);
});

test('a node whose port 80 another program holds says so, and Ingresses do not show its address', async () => {
  await using held = await startCluster({ name: 'heldingress', flags: ['--disable=traefik'] });
  await held.kill();
  const script = "require('net').createServer().listen(80, '0.0.0.0', () => console.log('listening'))";
  const holder = held.start(process.execPath, ['-e', script]);
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  const server = held.start(path.join(import.meta.dirname, '../../wherry'), [
    ...['server', '--no-install', '--data-dir', held.dataDir, '--https-listen-port', String(held.port)],
    ...['--write-kubeconfig', held.kubeconfig, '--node-ip', held.nodeIp, '--node-name', 'node-1'],
  ]);
  await until('status names the port', /Ingress .*cannot bind socket .*0\.0\.0\.0:80/, () => held.wherry(['status']));
  await held.must(['create', 'ingress', 'web', '--rule=a.test/*=web:80']);
  const condition = 'jsonpath={.status.conditions[?(@.type=="IngressReady")].status}';
  await until('the Node says so', /^False$/, () => held.kubectl(['get', 'node', 'node-1', '-o', condition]));
  holder.kill('SIGKILL');
  await until('the Node is well again', /^True$/, () => held.kubectl(['get', 'node', 'node-1', '-o', condition]));
  await until('the address', /a\.test +198\.18\./, () => held.kubectl(['get', 'ingress']));
  const ended = new Promise((resolve) => server.once('close', resolve));
  server.kill('SIGKILL');
  await ended;
});

test('nothing is lost while the deployment rolls and the server is killed and comes back', async () => {
  let isOver = false;
  const codes = new Map<string, number>();
  const load = (async () => {
    while (!isOver) {
      const { stdout } = await curl(
        ...at('mydomain.be'),
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        'http://mydomain.be/',
      );
      codes.set(stdout, (codes.get(stdout) ?? 0) + 1);
    }
  })();
  await cluster.must(['scale', 'deployment', 'web', '--replicas=5']);
  await cluster.must(['rollout', 'status', 'deployment', 'web', '--timeout=60s']);
  await cluster.kill();
  await cluster.restart();
  isOver = true;
  await load;
  assert.deepEqual([...codes.keys()], ['200'], JSON.stringify([...codes]));
});

test('a node far from its server serves too, certificates included, with the rights of a node', async () => {
  await using far = await startCluster({ name: 'faringress', flags: ['--disable-agent'] });
  const agent = await far.startAgent({ name: 'far', images: [await imageArchive('nginx')] });
  await far.must(['apply', '-f', path.join(examples, 'web.yaml'), '-f', path.join(examples, 'tls.yaml')]);
  const [key, certificate] = [path.join(folder, 'tls.key'), path.join(folder, 'tls.crt')];
  await far.must(['create', 'secret', 'tls', 'shop-tls', `--cert=${certificate}`, `--key=${key}`]);
  await far.must(['wait', '--for=condition=Available', 'deployment/web', '--timeout=60s']);
  await until('the page, verified', /Welcome to nginx/, () =>
    curl('--resolve', `shop.mydomain.be:443:${far.nodeIp}`, '--cacert', certificate, 'https://shop.mydomain.be/'),
  );
  const copies = ['get', 'secrets', '-A', '--as', 'system:node:far', '--as-group', 'system:nodes'];
  assert.notEqual((await far.kubectl(copies)).status, 0);
  assert.match((await agent.wherry(['status'])).stdout, /Ingress .*2 Ingresses/);
});

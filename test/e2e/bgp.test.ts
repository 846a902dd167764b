/** Services announced by BGP from three nodes to two routers, one with BIRD and one with FRR, and reached from behind them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import type { Outcome } from '../testbed/bgp/requests.ts';
import { type Router, startBirdRouter, startFrrRouter } from '../testbed/bgp/routers.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabAgent, LabServer } from '../testbed/lab/nodes.ts';

/** From a power cut to the last request that went to the dead node, milliseconds. */
const outageMsMax = 1000;
const webAddress = '198.51.100.10';
const localAddress = '198.51.100.11';

let lab: Lab;
let server: LabServer;
let second: LabAgent;
let third: LabAgent;
let nodes: readonly Host[];
let bird: Router;
let frr: Router;

before(async () => {
  lab = await startLab({ name: 'bgp', network: { ipv6: false } });
  nodes = [
    await lab.addHost({ name: 'one' }),
    await lab.addHost({ name: 'two' }),
    await lab.addHost({ name: 'three' }),
  ];
  const [birdHost, frrHost] = [await lab.addHost({ name: 'router-bird' }), await lab.addHost({ name: 'router-frr' })];
  await Promise.all([addClient(birdHost, '192.0.2.1', '192.0.2.2'), addClient(frrHost, '192.0.2.129', '192.0.2.130')]);
  for (const host of nodes) await leadToClients(host, birdHost, frrHost);
  bird = await startBirdRouter(
    birdHost,
    `protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }
     ${nodes.map(({ name, address }) => `protocol bgp ${name} { local as 64501; neighbor ${address} as 64500; bfd; error wait time 1, 1; ipv4 { import all; export none; }; }`).join('\n')}`,
  );
  frr = await startFrrRouter(frrHost, [
    ...['bfd', ' profile quick', '  receive-interval 100', '  transmit-interval 100'],
    ...['router bgp 64502', ' no bgp ebgp-requires-policy'],
    ...nodes.flatMap(({ address }) => [
      ` neighbor ${address} remote-as 64500`,
      ` neighbor ${address} bfd profile quick`,
    ]),
  ]);
  const images = [await imageArchive('busybox')];
  const [one, two, three] = nodes as readonly [Host, Host, Host];
  server = await lab.startServer(one, { images });
  [second, third] = await Promise.all([
    lab.startAgent(two, { server, images }),
    lab.startAgent(three, { server, images }),
  ]);
  await apply(
    metallb('IPAddressPool', 'public', { addresses: ['198.51.100.0/24'] }),
    metallb('BFDProfile', 'quick', { receiveInterval: 100, transmitInterval: 100, detectMultiplier: 3 }),
    metallb(
      'BGPPeer',
      'rack-bird',
      { myASN: 64500, peerASN: 64501, peerAddress: birdHost.address, bfdProfile: 'quick' },
      'v1beta2',
    ),
    metallb(
      'BGPPeer',
      'rack-frr',
      { myASN: 64500, peerASN: 64502, peerAddress: frrHost.address, bfdProfile: 'quick' },
      'v1beta2',
    ),
    metallb('BGPAdvertisement', 'public', { communities: ['64500:80'] }),
    deployment('web', 3, ['one', 'two', 'three']),
    deployment('local', 2, ['two', 'three']),
    service('web', webAddress, 'Cluster'),
    service('local', localAddress, 'Local'),
  );
  for (const name of ['web', 'local']) await server.must(['rollout', 'status', `deployment/${name}`, '--timeout=90s']);
});
after(() => lab?.[Symbol.asyncDispose]());

/** A machine of its own behind a router: a network namespace on the router's host. */
async function addClient(router: Host, own: string, client: string): Promise<void> {
  for (const line of [
    'netns add client',
    'link add behind type veth peer name eth0 netns client',
    `address add ${own}/25 dev behind`,
    'link set behind up',
    `-n client address add ${client}/25 dev eth0`,
    '-n client link set eth0 up',
    '-n client link set lo up',
    `-n client route add default via ${own}`,
  ]) {
    await router.must('ip', line.split(' '));
  }
}

async function leadToClients(host: Host, birdHost: Host, frrHost: Host): Promise<void> {
  await host.must('ip', ['route', 'add', '192.0.2.0/25', 'via', birdHost.address]);
  await host.must('ip', ['route', 'add', '192.0.2.128/25', 'via', frrHost.address]);
}

const apply = (...objects: readonly object[]) =>
  server.must(['apply', '-f', '-'], { input: objects.map((object) => JSON.stringify(object)).join('\n---\n') });
const metallb = (kind: string, name: string, spec: object, version = 'v1beta1') => ({
  ...{ apiVersion: `metallb.io/${version}`, kind, metadata: { name, namespace: 'metallb-system' }, spec },
});
function deployment(name: string, replicas: number, on: readonly string[]) {
  // Who answers, and who asked. It goes on serving for a while when it is to end, as programs behind load balancers do.
  const answer = '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; echo "$(hostname) $REMOTE_ADDR"';
  const script = `mkdir -p /www/cgi-bin && printf '%s' '${answer}' > /www/cgi-bin/who && chmod 755 /www/cgi-bin/who && exec httpd -f -p 8080 -h /www`;
  const hostname = 'kubernetes.io/hostname';
  const labels = { app: name };
  const container = {
    ...{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script] },
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
    lifecycle: { preStop: { exec: { command: ['sleep', '3'] } } },
  };
  const where = { matchExpressions: [{ key: hostname, operator: 'In', values: on }] };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } },
    spec: {
      ...{ replicas, selector: { matchLabels: labels } },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 5,
          affinity: {
            nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [where] } },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: hostname,
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: labels },
            },
          ],
          containers: [container],
        },
      },
    },
  };
}
const service = (name: string, loadBalancerIP: string, externalTrafficPolicy: string) => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
  spec: {
    ...{ type: 'LoadBalancer', loadBalancerIP, externalTrafficPolicy, selector: { app: name } },
    ports: [{ port: 80, targetPort: 8080 }],
  },
});

const addressesOf = (...hosts: readonly (Host | undefined)[]) => hosts.map((host) => host?.address ?? '').sort();
const untilHops = (address: string, hosts: readonly (Host | undefined)[], timeoutMs = 30_000) =>
  Promise.all(
    [bird, frr].map((router) =>
      eventually(`${router.host.name} leads ${address} to ${addressesOf(...hosts)}`, timeoutMs, async () =>
        (await router.nextHops(address)).join() === addressesOf(...hosts).join() ? true : undefined,
      ),
    ),
  );
const urlOf = (address: string) => `http://${address}/cgi-bin/who`;
async function answers(router: Router, address: string, times: number): Promise<readonly string[]> {
  const curl = `for i in $(seq ${times}); do curl -sS --max-time 5 ${urlOf(address)} || exit 1; done`;
  return (await router.host.must('ip', ['netns', 'exec', 'client', 'sh', '-c', curl])).trim().split('\n');
}

/** Requests from behind a router, for as long as something else goes on. */
function startRequests(router: Router, address: string, everyMs: number, timeoutMs: number) {
  const script = path.join(import.meta.dirname, '../testbed/bgp/requests.ts');
  const command = [process.execPath, script, urlOf(address), String(everyMs), String(timeoutMs)];
  const running = router.host.start('ip', ['netns', 'exec', 'client', ...command]);
  const outcomes: Outcome[] = [];
  createInterface(running.stdout).on('line', (line) => outcomes.push(JSON.parse(line) as Outcome));
  const count = (more: number) => {
    const least = outcomes.length + more;
    return eventually(`${more} more requests`, 60_000, async () => (outcomes.length >= least ? true : undefined));
  };
  return {
    /** Waits for so many more of them. */
    count,
    async stop(): Promise<readonly Outcome[]> {
      // Those that are under way come to their end.
      await count(Math.ceil(timeoutMs / everyMs / 10) + 5);
      running.signal('SIGTERM');
      await running.ended;
      return outcomes;
    },
  };
}
const failed = (outcomes: readonly Outcome[]) => outcomes.filter(({ ok }) => !ok);
function summary(outcomes: readonly Outcome[]): string {
  const lost = failed(outcomes);
  if (lost.length === 0) return 'none of the requests failed';
  return `${lost.length} of ${outcomes.length} requests failed: ${JSON.stringify(lost.slice(0, 3))}`;
}
const eventsOf = async (kind: string, name: string, namespace = 'metallb-system') => {
  const selector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  const { items } = JSON.parse(
    await server.must(['get', 'events', '-n', namespace, '--field-selector', selector, '-o', 'json']),
  );
  return (items as readonly { readonly reason: string; readonly message: string }[]).map(
    ({ reason, message }) => `${reason} ${message}`,
  );
};
const untilEvent = (kind: string, name: string, words: RegExp, namespace?: string) =>
  eventually(`an event on ${kind} ${name} says ${words}`, 15_000, async () =>
    (await eventsOf(kind, name, namespace)).some((text) => words.test(text)) ? true : undefined,
  );
const birdOf = async (host: Host) => (await host.run('pgrep', ['-f', '^bird -f -R'])).stdout.trim();

test('both routers spread a Service over its nodes, and clients behind them reach all of its pods', async () => {
  await untilHops(webAddress, nodes);
  for (const [router, client] of [
    [bird, '192.0.2.2'],
    [frr, '192.0.2.130'],
  ] as const) {
    const names = new Set((await answers(router, webAddress, 30)).map((line) => line.split(' ')[0]));
    assert.equal(names.size, 3, `of ${router.host.name}: ${[...names]}`);
    await untilHops(localAddress, nodes.slice(1));
    const local = await answers(router, localAddress, 10);
    assert.ok(
      local.every((line) => line.endsWith(` ${client}`) || line.includes(`:${client}]`)),
      `who asked is kept: ${local}`,
    );
  }
  assert.match(await bird.ask(`show route all ${webAddress}/32`), /BGP\.community: \(64500,80\)/);
});

test('how it stands is told: in status, on the peers, on the Service, for each node', async () => {
  for (const node of [server, second, third]) {
    await eventually(`status of ${node.name} tells the sessions`, 10_000, async () =>
      /BGP .*2 of 2 sessions established/.test((await node.wherry(['status'])).stdout) ? true : undefined,
    );
  }
  await untilEvent('BGPPeer', 'rack-bird', /^SessionUp three, rack-bird: the session is established/);
  await untilEvent('Service', 'local', /^nodeAssigned announcing from node "two" with protocol "bgp"/, 'default');
  const statuses = await server.must(['get', 'servicebgpstatuses', '-n', 'metallb-system', '-o', 'json']);
  const told = (JSON.parse(statuses).items as readonly { readonly status: Record<string, unknown> }[])
    .map(({ status }) => `${status['serviceName']} ${status['node']} ${status['peers']}`)
    .sort();
  assert.deepEqual(told, [
    'local three rack-bird,rack-frr',
    'local two rack-bird,rack-frr',
    'web one rack-bird,rack-frr',
    'web three rack-bird,rack-frr',
    'web two rack-bird,rack-frr',
  ]);
  const sessions = await server.must(['get', 'bgpsessionstates', '-n', 'metallb-system']);
  assert.equal(sessions.match(/Established +Up/g)?.length, 6, sessions);
});

test('a peer with another password, and one of an older ConfigMap, are told where they stand', async () => {
  const peer = { myASN: 64500, peerASN: 64501, peerAddress: bird.host.address };
  await apply(
    metallb(
      'BGPPeer',
      'rack-bird',
      {
        ...peer,
        bfdProfile: 'quick',
        password: 'not this',
        nodeSelectors: [{ matchLabels: { 'kubernetes.io/hostname': 'three' } }],
      },
      'v1beta2',
    ),
  );
  await untilEvent(
    'BGPPeer',
    'rack-bird',
    /^(?:NoSession|SessionDown) three, rack-bird: .*: no answer from .*: is its password the same\?/,
  );
  await eventually('status says it too', 10_000, async () =>
    /1 of 2 sessions established; rack-bird .*password/.test((await third.wherry(['status'])).stdout)
      ? true
      : undefined,
  );
  await server.must(['delete', 'bgppeer', 'rack-bird', '-n', 'metallb-system']);
  const config = `peers:\n- my-asn: 64500\n  peer-asn: 64599\n  peer-address: ${bird.host.address}\n`;
  const older = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'config', namespace: 'metallb-system' },
    data: { config },
  };
  await apply(older);
  await untilEvent('ConfigMap', 'config', /NoSession .*peer-0: there is no session/);
  await server.must(['delete', 'configmap', 'config', '-n', 'metallb-system']);
  await apply(metallb('BGPPeer', 'rack-bird', { ...peer, bfdProfile: 'quick' }, 'v1beta2'));
  await untilHops(webAddress, nodes, 60_000);
});

test('a Wherry that is killed and started again loses no request, and no route', async () => {
  const [, two] = nodes;
  assert.ok(two);
  const pid = await birdOf(two);
  assert.match(pid, /^\d+$/);
  const monitor = bird.host.start('ip', ['monitor', 'route']);
  let changes = '';
  monitor.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    changes += chunk;
  });
  const requests = startRequests(bird, localAddress, 25, 5000);
  await requests.count(20);
  await second.kill();
  await requests.count(40);
  await second.restart();
  await requests.count(40);
  assert.equal(summary(await requests.stop()), 'none of the requests failed');
  monitor.signal('SIGTERM');
  await monitor.ended;
  assert.doesNotMatch(changes, /198\.51\.100\./);
  assert.equal(await birdOf(two), pid);
});

test('a node that is excluded, and one that is drained, lose nothing', async () => {
  const [one, two, three] = nodes;
  const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
  // A connection that is under way when a router changes its mind is cut, as ECMP has it; one in so many is.
  const requests = startRequests(frr, webAddress, 100, 5000);
  await requests.count(5);
  await server.must(['label', 'node', 'two', `${label}=`]);
  await untilHops(webAddress, [one, three]);
  await requests.count(10);
  await server.must(['label', 'node', 'two', `${label}-`]);
  await untilHops(webAddress, [one, two, three]);
  const outcomes = await requests.stop();
  assert.ok(
    failed(outcomes).length <= 1 && failed(outcomes).every(({ error }) => error !== 'no answer in time'),
    JSON.stringify(failed(outcomes)),
  );

  const drained = startRequests(bird, webAddress, 25, 5000);
  await drained.count(10);
  await server.must(['drain', 'two', '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=90s'], {
    timeoutMs: 120_000,
  });
  await drained.count(20);
  assert.equal(summary(await drained.stop()), 'none of the requests failed');
  await untilHops(localAddress, [three]);
  await server.must(['uncordon', 'two']);
  await untilHops(localAddress, [two, three]);
});

test('a power cut is over within a second for those who ask', async (t) => {
  const [, two, three] = nodes;
  assert.ok(two && three);
  await untilHops(localAddress, [two, three]);
  for (const [router, question] of [
    [bird, 'show bfd sessions'],
    [frr, 'show bfd peers brief'],
  ] as const) {
    await eventually(`${router.host.name} watches the node by BFD`, 10_000, async () => {
      const said = await router.ask(question);
      if (new RegExp(`\\b${two.address}\\s.*\\bup\\b`, 'i').test(said)) return true;
      throw new Error(said);
    });
  }
  const requests = startRequests(bird, localAddress, 10, 300);
  await requests.count(50);
  const cutMs = Date.now();
  await two.powerOff();
  await untilHops(localAddress, [three]).catch(async (cause: unknown) => {
    throw new Error(`${await frr.ask('show bfd peers')}\n${await frr.ask('show bgp neighbors')}`, { cause });
  });
  await requests.count(100);
  const last = Math.max(cutMs, ...failed(await requests.stop()).map(({ atMs }) => atMs));
  t.diagnostic(`the last request that failed began ${last - cutMs} ms after the cut`);
  assert.ok(last - cutMs < outageMsMax, `${last - cutMs} ms`);
  await two.powerOn();
  await leadToClients(two, bird.host, frr.host);
  await second.restart();
  await untilHops(localAddress, [two, three], 60_000);
});

test('down withdraws the routes before pods end, and reset leaves nothing', async () => {
  const [one, two, three] = nodes;
  assert.ok(three);
  const requests = startRequests(bird, localAddress, 100, 5000);
  await requests.count(5);
  assert.equal((await third.wherry(['down'])).status, 0);
  await untilHops(webAddress, [one, two]);
  await requests.count(5);
  const outcomes = await requests.stop();
  assert.ok(failed(outcomes).length <= 1, JSON.stringify(failed(outcomes)));
  assert.equal(await birdOf(three), '');
  const reset = await third.wherry(['reset', '--yes']);
  assert.equal(reset.status, 0, reset.stderr);

  // With its pods kept, a node that is stopped stays reachable, until a reset ends all.
  await second.stop();
  assert.ok(two);
  assert.match(await birdOf(two), /^\d+$/);
  assert.deepEqual(await bird.nextHops(localAddress), addressesOf(two));
  assert.equal((await second.wherry(['reset', '--yes'])).status, 0);
  assert.equal(await birdOf(two), '');
  await untilHops(webAddress, [one]);
});

/** Routers outside the cluster, as users have them: hosts of a lab that speak BGP by BIRD or by FRR. */
import path from 'node:path';
import { eventually } from '../kubectl.ts';
import type { Host } from '../lab/host.ts';
import type { HostProcess } from '../lab/machine.ts';

/** A router's BGP speaker. It ends with its host. */
export interface Router {
  readonly host: Host;
  /** What it answers to a command of its own: `birdc` or `vtysh -c`. */
  ask(command: string): Promise<string>;
  /** The next hops of a prefix in the host's routing table, sorted. */
  nextHops(prefix: string): Promise<readonly string[]>;
  /** Ends the speaker at once; the host's routes that it made stay or go as the program has it. */
  stop(): Promise<void>;
}

export interface RouterPeer {
  /** Also the protocol's name in BIRD. */
  readonly name: string;
  readonly address: string;
}

/** A BIRD router from the protocols that a test gives; what it learns goes into the kernel, with all next hops of a prefix. */
export async function startBirdRouter(host: Host, protocols: string): Promise<Router> {
  const folder = path.join(host.folder, 'router');
  const socket = path.join(folder, 'bird.ctl');
  const kernel = (family: string) => `protocol kernel { ${family} { import none; export all; }; merge paths on; }`;
  await host.writeFile(
    path.join(folder, 'bird.conf'),
    [
      `router id ${host.address};`,
      'log stderr all;',
      'protocol device { scan time 5; }',
      'protocol direct { ipv4; ipv6; }',
      kernel('ipv4').replace('export all', 'export where source = RTS_BGP'),
      kernel('ipv6').replace('export all', 'export where source = RTS_BGP'),
      protocols,
      '',
    ].join('\n'),
  );
  await forward(host);
  const running = host.start('bird', ['-f', '-c', path.join(folder, 'bird.conf'), '-s', socket]);
  const said = collectOutput(running);
  const ask = async (command: string) => (await host.run('birdc', ['-s', socket, ...command.split(' ')])).stdout;
  await eventually('the BIRD router answers', 10_000, async () =>
    running.status !== undefined
      ? Promise.reject(new Error(`bird ended: ${said()}`))
      : /Daemon is up/.test(await ask('show status'))
        ? true
        : undefined,
  );
  return { host, ask, ...routesOf(host), stop: () => end([running]) };
}

/** An FRR router from the lines of `bgpd.conf` that a test gives. */
export async function startFrrRouter(host: Host, lines: readonly string[]): Promise<Router> {
  // The daemons drop their rights before they read it.
  const file = '/etc/frr/router.conf';
  await host.writeFile(file, `log stdout\n${lines.join('\n')}\n`);
  await host.must('mkdir', ['-p', '/run/frr']);
  await host.must('chown', ['frr:frr', '/run/frr', file]);
  await forward(host);
  const started: HostProcess[] = [];
  const said: (() => string)[] = [];
  for (const daemon of ['zebra', 'bfdd', 'bgpd']) {
    const files = ['-f', file, '-i', `/run/frr/${daemon}.pid`, '-A', '127.0.0.1'];
    const running = host.start(`/usr/lib/frr/${daemon}`, files);
    started.push(running);
    said.push(collectOutput(running));
    await eventually(`${daemon} answers`, 15_000, async () => {
      if (running.status !== undefined) throw new Error(`${daemon} ended: ${said.at(-1)?.()}`);
      const answer = await host.run('vtysh', ['-d', daemon, '-c', 'show version']);
      return /FRRouting/.test(answer.stdout) ? true : undefined;
    });
  }
  const ask = async (command: string) => (await host.run('vtysh', ['-c', command])).stdout;
  return { host, ask, ...routesOf(host), stop: () => end(started) };
}

async function forward(host: Host): Promise<void> {
  const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.fib_multipath_hash_policy=1'];
  await host.must('sysctl', ['-q', '-w', ...settings, 'net.ipv4.conf.all.send_redirects=0']);
}

function routesOf(host: Host): Pick<Router, 'nextHops'> {
  return {
    async nextHops(prefix) {
      const family = prefix.includes(':') ? '-6' : '-4';
      const routes: unknown = JSON.parse((await host.must('ip', [family, '-j', 'route', 'show', prefix])) || '[]');
      if (!Array.isArray(routes)) return [];
      return routes
        .flatMap(({ gateway, via, nexthops = [] }) => [
          gateway ?? via?.host,
          ...nexthops.map((hop: { gateway?: string }) => hop.gateway),
        ])
        .filter((hop): hop is string => typeof hop === 'string')
        .sort();
    },
  };
}

function collectOutput(running: HostProcess): () => string {
  let text = '';
  for (const stream of [running.stdout, running.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-20_000);
    });
  }
  return () => text;
}

async function end(running: readonly HostProcess[]): Promise<void> {
  for (const one of running) one.signal('SIGKILL');
  await Promise.all(running.map(({ ended }) => ended));
}

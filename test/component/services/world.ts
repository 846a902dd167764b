/**
 * A node of two address families with two pods, a pod of another node behind it and a machine outside, each a network
 * namespace; on the node the Service proxy runs, fed by an API server of its own.
 */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ContainerPort, EndpointSlice, Event, Pod, Service, ServiceSpec } from '../../../src/kube/types.gen.ts';
import { eventually, runCommand } from '../../testbed/kubectl.ts';
import type { NodeOptions } from './node.ts';
import type { Target } from './peer.ts';
import { type Remote, startRemote } from './rpc.ts';

export type Place = 'node' | 'out' | 'p1' | 'p2' | 'far';

/** Where each of them is; the pods answer on 8080 and 9090. */
export const addresses = {
  IPv4: { node: '192.0.2.1', out: '192.0.2.2', p1: '10.42.0.2', p2: '10.42.0.3', far: '10.42.1.2' },
  IPv6: { node: '2001:db8::1', out: '2001:db8::2', p1: 'fd00:42::2', p2: 'fd00:42::3', far: 'fd00:42:0:1::2' },
} as const;
/** Routed from outside to the node. */
export const externalIps = { IPv4: '203.0.113.7', IPv6: '2001:db8:7::7' } as const;
export const families = ['IPv4', 'IPv6'] as const;
export type Family = (typeof families)[number];

const gateways = { IPv4: '10.42.0.1', IPv6: 'fd00:42::1' } as const;
const bits = { IPv4: 32, IPv6: 128 } as const;
let count = 0;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The cluster IPs of a Service by family. */
export function clusterIpsOf(service: Service): Readonly<Record<Family, string>> {
  const [IPv4 = '', IPv6 = ''] = service.spec?.clusterIPs ?? [];
  return { IPv4, IPv6 };
}

export class World implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #id = `ws${process.pid}-${++count}`;
  readonly #peers = new Map<Place, Remote>();
  #node: Remote | undefined;

  static async start(options: Partial<NodeOptions> = {}): Promise<World> {
    const world = new World();
    try {
      await world.#build();
      await world.startNode(options);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  namespaceOf(place: Place): string {
    return `${this.#id}-${place}`;
  }

  async startNode(options: Partial<NodeOptions> = {}): Promise<void> {
    const program = path.join(import.meta.dirname, 'node.ts');
    const node = await startRemote(this.namespaceOf('node'), program, {
      nodeIps: [addresses.IPv4.node, addresses.IPv6.node],
      clusterCidrs: ['10.42.0.0/16', 'fd00:42::/56'],
      serviceCidrs: ['10.43.0.0/16', 'fd00:43::/112'],
      ...options,
    });
    this.#stack.use(node);
    this.#node = node;
    await node.call('create', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'here' } }).catch(() => {});
  }

  get node(): Remote {
    if (this.#node === undefined) throw new Error('the node has not started');
    return this.#node;
  }

  /** Makes a Service, by default of one TCP port 80 with both families. */
  async service(
    name: string,
    spec: Partial<{ [K in keyof ServiceSpec]: ServiceSpec[K] | undefined }> = {},
    metadata: Service['metadata'] = {},
  ): Promise<Service> {
    const object: Service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, name, namespace: 'default' },
      spec: { ports: [{ port: 80, targetPort: 8080 }], ipFamilyPolicy: 'PreferDualStack', ...spec } as ServiceSpec,
    };
    return (await this.node.call('create', object)) as Service;
  }

  /** Makes or replaces the slices of a Service, one a family; `endpoints` by where they are. */
  async endpoints(
    name: string,
    endpoints: readonly (
      | Place
      | (Omit<NonNullable<EndpointSlice['endpoints']>[number], 'addresses'> & { place: Place })
    )[],
    ports: EndpointSlice['ports'] = [{ name: '', port: 8080, protocol: 'TCP' }],
  ): Promise<void> {
    for (const family of families) {
      const slice: EndpointSlice = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${name}-${family.toLowerCase()}`,
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': name },
        },
        addressType: family,
        ports,
        endpoints: endpoints.map((one) => {
          const { place, ...more } = typeof one === 'string' ? { place: one } : one;
          const nodeName = place === 'far' ? 'there' : 'here';
          return { nodeName, conditions: { ready: true }, ...more, addresses: [addresses[family][place]] };
        }),
      };
      await this.node.call('create', slice).catch(() => this.node.call('update', slice));
    }
  }

  /** A pod that runs at a place, as the API tells of it; it ends nowhere. */
  async pod(name: string, place: 'p1' | 'p2', ports: readonly ContainerPort[]): Promise<void> {
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: {
        nodeName: 'here',
        containers: [{ name: 'main', image: 'main', ports }],
        terminationGracePeriodSeconds: 0,
      },
    };
    const created = (await this.node.call('create', pod)) as Pod;
    const podIPs = families.map((family) => ({ ip: addresses[family][place] }));
    const status = { ...created.status, phase: 'Running' as const, podIP: addresses.IPv4[place], podIPs };
    await this.node.call('status', { ...created, status });
  }

  /** Changes an object of the API. */
  async change<T>(kind: string, name: string, how: (object: T) => T, op: 'update' | 'status' = 'update'): Promise<T> {
    const object = (await this.node.call('get', { kind, metadata: { namespace: 'default', name } })) as T;
    return (await this.node.call(op, how(object))) as T;
  }

  async remove(kind: string, name: string): Promise<void> {
    await this.node.call('remove', { kind, metadata: { namespace: 'default', name } });
  }

  /** Waits for an Event about an object. */
  async event(name: string, reason: string, message: RegExp): Promise<void> {
    await eventually(`an Event ${reason} about ${name}`, 10_000, async () => {
      const all = (await this.node.call('list', { kind: 'Event' })) as readonly Event[];
      return all.find((e) => e.involvedObject.name === name && e.reason === reason && message.test(e.message ?? ''));
    });
  }

  /** Waits until the rules of a family contain a text. */
  async written(family: 'ip' | 'ip6', text: string): Promise<void> {
    await eventually(`the rules contain ${text}`, 10_000, async () =>
      (await this.run('nft', 'list', 'table', family, 'wherry')).includes(text) ? true : undefined,
    );
  }

  ask(from: Place, target: Omit<Target, 'protocol'> & { protocol?: Target['protocol'] }): Promise<string> {
    const peer = this.#peers.get(from);
    if (peer === undefined) throw new Error(`nobody is at ${from}`);
    return peer.call('ask', { protocol: 'tcp', ...target }) as Promise<string>;
  }

  /** Asks by HTTP; status 0 when nobody answers. */
  async fetch(from: Place, url: string): Promise<HttpAnswer> {
    return (await this.#peers.get(from)?.call('get', { url })) as HttpAnswer;
  }

  /** Waits until a URL answers with a status, and JSON that has these members. */
  async expectAnswer(from: Place, url: string, status: number, members: object | undefined): Promise<void> {
    await eventually(`${url} answers ${status} ${JSON.stringify(members)}`, 10_000, async () => {
      const answer = await this.fetch(from, url);
      if (answer.status === status && (members === undefined || isDeepStrictEqual(members, pick(answer.body, members))))
        return true;
      throw new Error(`got ${JSON.stringify(answer)}`);
    });
  }

  /** Waits until a connection has the expected outcome: a text, or a pattern of it. */
  async expect(from: Place, target: Parameters<World['ask']>[1], outcome: string | RegExp): Promise<string> {
    let last = '';
    const fits = () => (typeof outcome === 'string' ? last === outcome : outcome.test(last));
    return await eventually(`${from} asks ${target.address}:${target.port} and gets ${outcome}`, 10_000, async () => {
      last = await this.ask(from, target);
      if (fits()) return last;
      throw new Error(`got ${last}`);
    });
  }

  /** The same, with a pause between the attempts that lets what depends on time run out. */
  async expectLater(from: Place, target: Parameters<World['ask']>[1], outcome: RegExp, pauseMs: number): Promise<void> {
    let next = 0;
    await eventually(`${from} asks ${target.address} and gets ${outcome}`, 30_000, async () => {
      if (performance.now() < next) return undefined;
      next = performance.now() + pauseMs;
      return outcome.test(await this.ask(from, target)) ? true : undefined;
    });
  }

  /** Who answers a number of connections, each once. */
  async answering(from: Place, target: Parameters<World['ask']>[1], times = 24): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    for (let i = 0; i < times; i++) names.add((await this.ask(from, target)).split(' ')[0] ?? '');
    return names;
  }

  /** Runs a program on the node; throws when it fails. */
  run(command: string, ...args: readonly string[]): Promise<string> {
    return this.runAt('node', command, ...args);
  }

  /** Runs a program at a place; throws when it fails. */
  async runAt(place: Place, command: string, ...args: readonly string[]): Promise<string> {
    return await runIn(this.namespaceOf(place), command, ...args);
  }

  /** Holds a port of the node, as another program does. */
  hold(port: number): Promise<Remote> {
    const program = path.join(import.meta.dirname, 'peer.ts');
    return startRemote(this.namespaceOf('node'), program, { name: 'holder', ports: [port] });
  }

  async #build(): Promise<void> {
    const places: readonly Place[] = ['node', 'out', 'p1', 'p2', 'far'];
    for (const place of places) {
      const namespace = this.namespaceOf(place);
      await must('ip', 'netns', 'add', namespace);
      this.#stack.defer(async () => {
        await runCommand('ip', ['netns', 'delete', namespace]);
      });
      await runIn(namespace, 'ip', 'link', 'set', 'lo', 'up');
    }
    const node = this.namespaceOf('node');
    for (const setting of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding'])
      await runIn(node, 'sysctl', '-qw', `net.${setting}=1`);
    for (const place of places) {
      if (place === 'node') continue;
      const inner = this.namespaceOf(place);
      await must('ip', '-n', node, 'link', 'add', place, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', inner);
      const isPod = place !== 'out';
      for (const family of families) {
        const option = family === 'IPv4' ? '-4' : '-6';
        const own = addresses[family][place];
        const router = isPod ? gateways[family] : addresses[family].node;
        const length = isPod ? bits[family] : family === 'IPv4' ? 24 : 64;
        const nodad = family === 'IPv6' ? ['nodad'] : [];
        await must('ip', '-n', node, 'address', 'add', `${router}/${length}`, 'dev', place, ...nodad);
        await must('ip', '-n', inner, 'address', 'add', `${own}/${length}`, 'dev', 'eth0', ...nodad);
        await must('ip', '-n', node, 'link', 'set', place, 'up');
        await must('ip', '-n', inner, 'link', 'set', 'eth0', 'up');
        if (isPod) {
          await must('ip', '-n', node, option, 'route', 'add', `${own}/${length}`, 'dev', place);
          await must('ip', '-n', inner, option, 'route', 'add', `${router}/${length}`, 'dev', 'eth0');
        }
        await must('ip', '-n', inner, option, 'route', 'add', 'default', 'via', router, 'dev', 'eth0');
        if (!isPod) await must('ip', '-n', node, option, 'route', 'add', 'default', 'via', own);
      }
    }
    const program = path.join(import.meta.dirname, 'peer.ts');
    await Promise.all(
      places.map(async (place) => {
        const ports = place === 'node' ? [7070] : [8080, 9090];
        const peer = await startRemote(this.namespaceOf(place), program, { name: place, ports });
        this.#stack.use(peer);
        this.#peers.set(place, peer);
      }),
    );
  }
}

async function must(command: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runCommand(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function runIn(namespace: string, command: string, ...args: readonly string[]): Promise<string> {
  return must('nsenter', `--net=/run/netns/${namespace}`, '--', command, ...args);
}

function pick(body: string, members: object): object {
  const value: unknown = JSON.parse(body);
  return Object.fromEntries(Object.entries(value ?? {}).filter(([key]) => key in members));
}

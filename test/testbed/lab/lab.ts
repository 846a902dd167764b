/**
 * Several machines for a test, joined by a switch whose links can be cut, slowed and made lossy. README.md beside this
 * file tells how it is used and how it is made.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { scriptPath } from './holder.ts';
import { type Host, LabHost } from './host.ts';
import type { Machine } from './machine.ts';
import { NamespaceMachine } from './namespace-machine.ts';
import {
  type AgentOptions,
  type LabAgent,
  type LabServer,
  type ServerOptions,
  startAgent,
  startServer,
} from './nodes.ts';
import { type Partition, type Segment, Switch } from './switch.ts';
import { UmlMachine } from './uml-machine.ts';

export interface LabOptions {
  /** For names that a reader meets; need not be unique. */
  readonly name: string;
  readonly network?: {
    /** Bytes; 1500 when absent. */
    readonly mtu?: number;
    /** Whether hosts get IPv6 addresses too; they do when absent. */
    readonly ipv6?: boolean;
  };
}

export interface HostOptions {
  /** `uml` is a host with a kernel of its own, user-mode Linux; `namespace`, which is meant when absent, shares this one. */
  readonly kind?: Machine['kind'];
  /** Of a host with a kernel of its own, MiB; 1024 when absent. */
  readonly memoryMiB?: number;
  /** Also its host name and what other hosts of the lab know it by. */
  readonly name: string;
  /** In place of those that the lab gives: one IPv4 first, then IPv6, in the segment's ranges. */
  readonly addresses?: readonly string[];
  /** Hosts of one segment share a layer-2 network; those of others are reached through the switch as a router. 0 to 250. */
  readonly segment?: number;
}

export interface Lab extends AsyncDisposable {
  readonly name: string;
  /** Removed with the lab. */
  readonly folder: string;
  readonly hosts: readonly Host[];
  addHost(options: HostOptions): Promise<Host>;
  /** Lets nothing pass between two hosts of one segment, while both reach all others. */
  partition(a: Host, b: Host): Promise<void>;
  /** Undoes what `partition` did. */
  heal(): Promise<void>;
  /** Starts `./wherry server` on a host and resolves when it is ready. */
  startServer(host: Host, options?: ServerOptions): Promise<LabServer>;
  /** Starts `./wherry agent` on a host and resolves when its node is Ready. */
  startAgent(host: Host, options: AgentOptions): Promise<LabAgent>;
}

/** The last part of the first host's addresses; the switch has 1. */
const firstHostNumber = 11;
let count = 0;

export async function startLab(options: LabOptions): Promise<Lab> {
  const { name, network: { mtu = 1500, ipv6 = true } = {} } = options;
  const cgroup = `wherry-lab-${process.pid}-${++count}`;
  const folder = mkdtempSync(path.join(tmpdir(), `wherry-lab-${name}-`));
  const janitor = spawn('sh', [scriptPath('janitor.sh'), folder, cgroup], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
    cwd: '/',
  });
  const swept = new Promise<number | null>((resolve, reject) => {
    janitor.once('error', reject);
    janitor.once('close', resolve);
  });
  const hosts: LabHost[] = [];
  let partitions: Partition[] = [];
  const opened = new AsyncDisposableStack();
  opened.defer(async () => {
    janitor.stdin?.end();
    if ((await swept) !== 0) throw new Error(`the lab ${name} left something behind`);
  });

  try {
    const lan = await Switch.start();
    opened.defer(() => lan.holder.kill());
    const applyRules = () =>
      lan.apply(
        hosts.map(({ port, state }) => ({ name: port, state })),
        partitions,
      );

    async function addHost(wanted: HostOptions): Promise<Host> {
      const { name: hostName, addresses, segment: number = 0, kind = 'namespace', memoryMiB = 1024 } = wanted;
      const segment = segmentOf(number);
      const index = hosts.length + firstHostNumber;
      const given = [`198.18.${number}.${index}`, ...(ipv6 ? [`${ipv6Prefix(number)}${index}`] : [])];
      const place = path.join(folder, hostName);
      const disk = path.join(place, 'disk');
      const own = path.join(place, 'files');
      mkdirSync(own, { recursive: true });
      const port = `port-${hosts.length + 1}`;
      writeEtc(path.join(disk, 'etc'), hostName, segment);
      const machine =
        kind === 'uml'
          ? new UmlMachine({ name: hostName, place, memoryMiB, port, lan })
          : new NamespaceMachine({ name: hostName, disk, cgroup: `${cgroup}/${hostName}`, port, lan });
      const host = new LabHost({
        name: hostName,
        machine,
        folder: own,
        captures: folder,
        segment,
        port,
        mac: `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`,
        mtu,
        addresses: addresses ?? given,
        lan,
        applyRules,
      });
      hosts.push(host);
      const on = lan.ensureSegment(segment).then(() => host.powerOn());
      opened.defer(async () => {
        // One that is still starting, because another one failed, would be missed.
        await on.catch(() => {});
        await host.powerOff();
      });
      await on;
      return host;
    }

    return {
      name,
      folder,
      hosts,
      addHost,
      async partition(a, b) {
        partitions.push([a.link.port, b.link.port]);
        await applyRules();
      },
      async heal() {
        partitions = [];
        await applyRules();
      },
      startServer: (host, more) => startServer(host, folder, more),
      startAgent: (host, more) => startAgent(host, folder, more),
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

function segmentOf(number: number): Segment {
  return { bridge: `lan-${number}`, ipv4Gateway: `198.18.${number}.1`, ipv6Gateway: `${ipv6Prefix(number)}1` };
}

/** Canonical in every segment, so that programs print the addresses as the lab gives them. */
const ipv6Prefix = (segment: number) => `fd18:${(segment + 1).toString(16)}::`;

/** What differs from the machine's own /etc. The switch answers no queries, and says so at once. */
function writeEtc(etc: string, name: string, { ipv4Gateway }: Segment): void {
  mkdirSync(etc, { recursive: true });
  const id = crypto.randomUUID().replaceAll('-', '');
  const hosts = `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t${name}\n`;
  const files = { hostname: `${name}\n`, hosts, 'resolv.conf': `nameserver ${ipv4Gateway}\n`, 'machine-id': `${id}\n` };
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(etc, file), content);
}

import { parseName } from '../../wire/dns/name.ts';
import { cacheSecondsDefault } from './answer-cache.ts';
import type { BlockConfiguration, DnsConfiguration, ForwardConfiguration } from './configuration.ts';
import { CorefileError, type Directive, parseOverride, parseServerBlocks } from './corefile.ts';
import type { ServerAddress } from './exchange.ts';
import { type HostLine, parseHosts } from './hosts.ts';
import type { Policy } from './upstreams.ts';
import { parseAddress } from './zone-data.ts';

/*
 * The ConfigMap kube-system/coredns-custom as k3s has it: keys `*.server` hold server blocks of a Corefile, keys `*.override`
 * directives for the cluster's own block. What has no meaning here is refused, not passed over: a name that silently is not
 * what somebody wrote is worse than one that is not there.
 */

/** As many as CoreDNS takes. */
const upstreamsMax = 15;
const hostsTtlDefault = 3_600;
const nodeHostsTtl = 60;

/** Stands for the name servers of the machine. */
const machine = '/etc/resolv.conf';

/** What one key adds. `machine` among the servers stands for the machine's own. */
export interface CustomPart {
  readonly blocks: readonly CustomBlock[];
  readonly override: CustomBlock | undefined;
}

interface CustomForward extends Omit<ForwardConfiguration, 'servers'> {
  readonly servers: readonly (ServerAddress | typeof machine)[];
}

interface CustomBlock extends Omit<BlockConfiguration, 'forwards'> {
  readonly forwards: readonly CustomForward[];
}

/** Reads one key of the ConfigMap; null for keys that are of no concern. Throws CorefileError. */
export function parseCustomKey(key: string, source: string): CustomPart | null {
  if (key.endsWith('.server'))
    return { blocks: parseServerBlocks(source).flatMap(readServerBlock), override: undefined };
  if (key.endsWith('.override')) return { blocks: [], override: readBlock('.', parseOverride(source), true) };
  return null;
}

/** Puts all together: what the nodes are called, what users added, and the machine's own name servers for the rest. */
export function configurationOf(
  parts: readonly CustomPart[],
  nodeHosts: readonly HostLine[],
  machineServers: readonly ServerAddress[],
): DnsConfiguration {
  const withMachine = (block: CustomBlock): BlockConfiguration => ({
    ...block,
    forwards: block.forwards.map((forward) => ({
      ...forward,
      servers: forward.servers.flatMap((server) => (server === machine ? machineServers : [server])),
    })),
  });
  const overrides = parts.flatMap(({ override }) => (override === undefined ? [] : [withMachine(override)]));
  const rest: ForwardConfiguration = { from: '.', servers: machineServers, policy: 'random', overTcp: false };
  return {
    main: {
      zone: '.',
      hosts: [...nodeHosts, ...overrides.flatMap(({ hosts }) => hosts)],
      hostsTtl: nodeHostsTtl,
      hostsReverse: true,
      isHostsFinal: false,
      forwards: [...overrides.flatMap(({ forwards }) => forwards), rest],
      cacheSeconds:
        overrides.find(({ cacheSeconds }) => cacheSeconds !== cacheSecondsDefault)?.cacheSeconds ?? cacheSecondsDefault,
      isLogged: overrides.some(({ isLogged }) => isLogged),
    },
    blocks: parts.flatMap(({ blocks }) => blocks.map(withMachine)),
  };
}

function readServerBlock({
  keys,
  directives,
  line,
}: ReturnType<typeof parseServerBlocks>[number]): readonly CustomBlock[] {
  return keys.map((key) => readBlock(zoneOf(key, line), directives, false));
}

/** `example.local:53`, `dns://example.local`. */
function zoneOf(key: string, line: number): string {
  const match = /^(?:dns:\/\/)?([\w.-]+)(?::(\d+))?$/.exec(key);
  const [, name = '', port = '53'] = match ?? [];
  if (match === null || parseName(name) === null) {
    throw new CorefileError(
      line,
      `${JSON.stringify(key)} is not a zone that can be served; write a domain, such as example.local:53`,
    );
  }
  if (port !== '53') throw new CorefileError(line, `${key}: the cluster's DNS answers on port 53 only`);
  if (name === '.')
    throw new CorefileError(line, 'the zone "." is the cluster\'s own; put directives for it into a key *.override');
  return fullName(name);
}

function fullName(name: string): string {
  return name.endsWith('.') ? name.toLowerCase() : `${name.toLowerCase()}.`;
}

/** What the cluster's DNS does anyway. */
const implied = new Set(['errors', 'reload', 'loop', 'loadbalance', 'health', 'ready', 'prometheus', 'minimal']);

function readBlock(zone: string, directives: readonly Directive[], isOverride: boolean): CustomBlock {
  const forwards: CustomForward[] = [];
  let hosts: HostsDirective | undefined;
  let cacheSeconds = isOverride ? cacheSecondsDefault : 0;
  let isLogged = false;
  for (const directive of directives) {
    const { name, line } = directive;
    if (name === 'forward') forwards.push(readForward(directive));
    else if (name === 'hosts' && hosts !== undefined) throw new CorefileError(line, 'hosts stands here twice');
    else if (name === 'hosts') hosts = readHosts(directive);
    else if (name === 'cache') cacheSeconds = readCache(directive);
    else if (name === 'log') isLogged = true;
    else if (!implied.has(name)) {
      throw new CorefileError(
        line,
        `the directive ${JSON.stringify(name)} is not supported; there are forward, hosts, cache and log`,
      );
    }
  }
  if (!isOverride && forwards.length === 0 && hosts === undefined) {
    throw new CorefileError(directives[0]?.line ?? 1, `nothing answers for ${zone}; add forward or hosts`);
  }
  return {
    zone,
    hosts: hosts?.lines ?? [],
    hostsTtl: hosts?.ttl ?? hostsTtlDefault,
    hostsReverse: hosts?.reverse ?? true,
    isHostsFinal: !isOverride && hosts !== undefined && !hosts.fallsThrough,
    forwards,
    cacheSeconds,
    isLogged,
  };
}

/** https://coredns.io/plugins/forward */
function readForward({ args, block, line }: Directive): CustomForward {
  const [from, ...targets] = args;
  if (from === undefined || targets.length === 0) throw new CorefileError(line, 'write forward ZONE SERVER...');
  if (parseName(from) === null) throw new CorefileError(line, `${JSON.stringify(from)} is not a domain`);
  if (targets.length > upstreamsMax)
    throw new CorefileError(line, `${targets.length} servers; ${upstreamsMax} at most`);
  let policy: Policy = 'random';
  let overTcp = false;
  for (const option of block) {
    const [value = ''] = option.args;
    switch (option.name) {
      case 'policy':
        if (value !== 'random' && value !== 'round_robin' && value !== 'sequential') {
          throw new CorefileError(
            option.line,
            `${JSON.stringify(value)} is no policy; there are random, round_robin and sequential`,
          );
        }
        policy = value;
        break;
      case 'force_tcp':
        overTcp = true;
        break;
      case 'prefer_udp':
        break;
      default:
        throw new CorefileError(
          option.line,
          `forward: the option ${JSON.stringify(option.name)} is not supported; there are policy, force_tcp and prefer_udp`,
        );
    }
  }
  const servers = targets.map((target) => (target === machine ? machine : serverOf(target, line)));
  return { from: fullName(from), servers, policy, overTcp };
}

/** `10.0.0.1`, `10.0.0.1:5353`, `dns://10.0.0.1`, `fd00::1`, `[fd00::1]:53`. */
function serverOf(target: string, line: number): ServerAddress {
  if (/^(tls|https|grpc|quic):\/\//.test(target)) {
    throw new CorefileError(line, `${target}: encrypted questions are not supported; write the address alone`);
  }
  const plain = target.replace(/^dns:\/\//, '');
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(plain) ?? /^([^:]+)(?::(\d+))?$/.exec(plain);
  const host = match?.[1] ?? plain;
  const port = Number(match?.[2] ?? 53);
  if (parseAddress(host) === null || port < 1 || port > 65_535) {
    throw new CorefileError(line, `${JSON.stringify(target)} is not the address of a name server`);
  }
  return { host, port };
}

interface HostsDirective {
  readonly lines: readonly HostLine[];
  readonly ttl: number;
  readonly reverse: boolean;
  readonly fallsThrough: boolean;
}

/** https://coredns.io/plugins/hosts, with its lines inline. */
function readHosts({ args, block, line }: Directive): HostsDirective {
  if (args.length > 0) throw new CorefileError(line, "hosts can't read files here; write its lines between braces");
  const lines: HostLine[] = [];
  let ttl = hostsTtlDefault;
  let reverse = true;
  let fallsThrough = false;
  for (const { name, args: values, line: at } of block) {
    if (name === 'ttl') ttl = seconds(values[0], at, 'ttl');
    else if (name === 'no_reverse') reverse = false;
    else if (name === 'fallthrough') {
      if (values.length > 0) throw new CorefileError(at, 'hosts: fallthrough takes no zones here');
      fallsThrough = true;
    } else if (name !== 'reload') {
      const parsed = parseHosts([name, ...values].join(' '));
      if (parsed.malformed.length > 0)
        throw new CorefileError(
          at,
          `hosts: ${JSON.stringify(parsed.malformed[0])} is neither an option nor an address with names`,
        );
      lines.push(...parsed.lines);
    }
  }
  return { lines, ttl, reverse, fallsThrough };
}

/** https://coredns.io/plugins/cache; without a time an hour at most. */
function readCache({ args, block, line }: Directive): number {
  if (block[0] !== undefined)
    throw new CorefileError(
      block[0].line,
      `cache: the option ${JSON.stringify(block[0].name)} is not supported; write cache [SECONDS]`,
    );
  if (args.length > 1) throw new CorefileError(line, 'write cache [SECONDS]');
  return args[0] === undefined ? 3_600 : seconds(args[0], line, 'cache');
}

function seconds(text: string | undefined, line: number, what: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || value > 65_535) {
    throw new CorefileError(line, `${what}: ${JSON.stringify(text ?? '')} is not a number of seconds from 0 to 65535`);
  }
  return value;
}

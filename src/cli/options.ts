import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { errorCode, toError, WherryError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { type AgentOptions, resolveAgentOptions } from '../server/agent-options.ts';
import { observeMachine } from '../server/machine.ts';
import { type RawOptions, text } from '../server/option-values.ts';
import { defaultConfigFile, defaultDataDir, resolveOptions, type ServerOptions } from '../server/options.ts';

type Flags = readonly (readonly [flags: string, description: string])[];

const nodeFlags: Flags = [
  ['--node-name <name>', 'name of this node (default: the host name)'],
  [
    '--node-ip <addresses...>',
    "addresses of this node, one a family (default: of the default route's interface, or of the first one that has any)",
  ],
  ['--node-external-ip <addresses...>', 'addresses by which this node is reached from outside, one a family'],
  [
    '--flannel-iface <interface>',
    "interface that carries pods' packets to other nodes (default: that of the node's address)",
  ],
  ['--flannel-conf <file>', 'net-conf.json of the pod network, for what no flag sets'],
  ['--with-node-id', "add to the node's name what no other machine has"],
  ['--node-label <labels...>', 'labels of the Node object, KEY=VALUE'],
  ['--node-taint <taints...>', 'taints of the Node object when it is made, KEY=VALUE:EFFECT'],
  ['--resolv-conf <file>', "the node's resolv.conf for pods and the cluster DNS (default: the machine's own)"],
  ['--kubelet-arg <arguments...>', "of the kubelet's flags: max-pods=NUMBER (default 110)"],
  ['--token-file <file>', 'a file that holds the token'],
  ['--container-runtime-endpoint <socket>', 'use this containerd instead of one that Wherry starts'],
  ['--debug', 'log more'],
];

const serverFlags: Flags = [
  [
    '--write-kubeconfig <file>',
    "where the administrator's kubeconfig is written (default /etc/wherry/kubeconfig.yaml)",
  ],
  ['--write-kubeconfig-mode <mode>', 'its permission bits (default 600)'],
  ['--https-listen-port <port>', 'port of the Kubernetes API (default 6443)'],
  ['--bind-address <address>', 'address that the API listens on (default 0.0.0.0, :: where a node address is IPv6)'],
  ['--tls-san <name...>', "further names and addresses for the API's certificate"],
  ['--cluster-cidr <ranges...>', 'addresses of pods, one range a family (default 10.42.0.0/16)'],
  ['--service-cidr <ranges...>', 'addresses of Services, one range a family (default 10.43.0.0/16)'],
  ['--node-cidr-mask-size-ipv4 <bits>', "prefix length of a node's IPv4 range (default 24)"],
  ['--node-cidr-mask-size-ipv6 <bits>', "prefix length of a node's IPv6 range (default 64)"],
  ['--cluster-dns <addresses...>', "addresses of the cluster DNS (default: the 10th of each of the Services' ranges)"],
  ['--cluster-domain <domain>', 'domain of the cluster (default cluster.local)'],
  [
    '--flannel-backend <backend>',
    'how pods of different nodes reach each other: vxlan (default), host-gw, wireguard-native, ipsec, or none for another CNI',
  ],
  ['--flannel-ipv6-masq', 'masquerade what pods send out of the cluster over IPv6 too'],
  ['--flannel-external-ip', 'carry pod packets between the external addresses of nodes'],
  ['--disable-network-policy', "don't enforce NetworkPolicies"],
  ['--disable-kube-proxy', "don't make the rules of Services"],
  ['--disable <component...>', 'components to do without, e.g. local-storage'],
  ['--disable-agent', 'run no node agent, only the control plane'],
  ['--token <token>', 'shared secret for joining nodes'],
  ['--default-local-storage-path <folder>', 'where local-path volumes live (default DATA-DIR/storage)'],
  ...nodeFlags,
];

const agentFlags: Flags = [
  ['--server <url>', 'the server to join, https://HOST:6443'],
  ['--token <token>', 'what `wherry token create` printed on the server; needed for the first start'],
  [
    '--bind-address <address>',
    "address that the node's own API listens on (default 0.0.0.0, :: where a node address is IPv6)",
  ],
  ['--cluster-dns <addresses...>', "addresses of the cluster DNS (default: the cluster's)"],
  ['--cluster-domain <domain>', "domain of the cluster (default: the cluster's)"],
  ...nodeFlags,
];

const upFlags: Flags = [
  ...serverFlags,
  ...agentFlags.filter(([flags]) => !serverFlags.some(([other]) => other.split(' ')[0] === flags.split(' ')[0])),
];

/** Adds --data-dir, which every command that speaks of a cluster takes. */
export function addDataDir(command: Command): Command {
  return command.option('--data-dir <folder>', 'where the cluster keeps its data', defaultDataDir);
}

/** Adds the server's flags, in k3s's names. */
export function addServerOptions(command: Command): Command {
  return addFlags(command, serverFlags);
}

/** Adds the flags of `wherry agent`, in k3s's names. */
export function addAgentOptions(command: Command): Command {
  return addFlags(command, agentFlags);
}

/** Adds the flags of `wherry up`, which starts a server or, with --server, an agent. */
export function addUpOptions(command: Command): Command {
  return addFlags(command, upFlags);
}

/** Whether `wherry up` joins a cluster: --server is given, on the command line or in the file. */
export async function isJoining(given: Readonly<Record<string, unknown>>): Promise<boolean> {
  const raw = await readRaw(given, upFlags);
  if (text(raw, 'server') === undefined) return false;
  const known = namesOf(agentFlags);
  const foreign = Object.keys(raw).find((name) => !known.includes(name));
  if (foreign === undefined) return true;
  throw new WherryError('INVALID_OPTION', `--${foreign} is for servers, and --server joins one`, {
    hint: `leave --${foreign} out; the cluster has settled it`,
  });
}

function namesOf(flags: Flags): readonly string[] {
  return ['data-dir', 'config', ...flags.map(([name]) => name.replace(/^--/, '').replace(/ .*/, ''))];
}

function addFlags(command: Command, flags: Flags): Command {
  command
    .option('--data-dir <folder>', `where the cluster keeps its data (default ${defaultDataDir})`)
    .option('-c, --config <file>', `YAML file with these options (default ${defaultConfigFile})`);
  for (const [name, description] of flags) command.option(name, description);
  return command;
}

/** Joins flags, configuration file and defaults; flags win. */
export async function readServerOptions(given: Readonly<Record<string, unknown>>): Promise<ServerOptions> {
  return resolveOptions(await readRaw(given, serverFlags), observeMachine());
}

/** The same for `wherry agent`. */
export async function readAgentOptions(given: Readonly<Record<string, unknown>>): Promise<AgentOptions> {
  return resolveAgentOptions(await readRaw(given, agentFlags), observeMachine());
}

async function readRaw(given: Readonly<Record<string, unknown>>, flags: Flags): Promise<RawOptions> {
  const raw: Record<string, unknown> = await readConfig(given['config'], flags);
  for (const [name, value] of Object.entries(given)) {
    if (name !== 'config') raw[name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)] = value;
  }
  const file = text(raw, 'token-file');
  if (file !== undefined && raw['token'] === undefined) raw['token'] = await readToken(file);
  return raw;
}

async function readToken(file: string): Promise<string> {
  try {
    const token = (await readFile(file, 'utf8')).trim();
    if (token !== '') return token;
  } catch (cause) {
    throw new WherryError('TOKEN_FILE', `--token-file: ${file} can't be read`, {
      cause,
      hint: 'give a file that exists, with the token in its only line',
    });
  }
  throw new WherryError('TOKEN_FILE', `--token-file: ${file} is empty`, { hint: 'write the token into it' });
}

async function readConfig(given: unknown, flags: Flags): Promise<Record<string, unknown>> {
  const file = typeof given === 'string' ? given : defaultConfigFile;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT' && given === undefined) return {};
    throw new WherryError('CONFIG_UNREADABLE', `${file} can't be read`, {
      cause,
      hint: 'give --config a file that exists',
    });
  }
  let config: unknown;
  try {
    config = parse(text);
  } catch (cause) {
    throw new WherryError('CONFIG_MALFORMED', `${file} is not YAML: ${toError(cause).message.split('\n')[0]}`, {
      hint: `mend that line of ${file}`,
    });
  }
  if (config === null || config === undefined) return {};
  if (!isObject(config))
    throw new WherryError('CONFIG_MALFORMED', `${file} is not a list of options`, {
      hint: 'write one "option: value" a line',
    });
  const known = namesOf(flags).filter((name) => name !== 'config');
  for (const name of Object.keys(config)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new WherryError('CONFIG_UNKNOWN_OPTION', `${file}: unknown option ${JSON.stringify(name)}`, {
      hint: near === undefined ? 'see `--help` for the options' : `write ${near} instead`,
    });
  }
  return { ...config };
}

/** The known word that is fewest edits away, if it is near enough to be what was meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** What the user wrote for this run, as the arguments of another `wherry server`. */
export function serverArguments(options: RawOptions): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
    if (value === true) return [flag];
    if (value === false || value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).flatMap((item) => [flag, String(item)]);
  });
}

import type { Affinity, Backend, Certificate, Cors, HaproxyConfig, Listener, Rule } from './config.ts';
import { format, word } from './quote.ts';
import { compileRoutes, type MapName } from './routes.ts';
import { keyOf, type Slot } from './slots.ts';

/** Where the compiled files are to lie. */
export interface Layout {
  /** Of maps and certificates. */
  readonly folder: string;
  readonly adminSocket: string;
  /** Whether the kernel knows IPv6. */
  readonly ipv6: boolean;
  /** Shown by the process that has read this configuration: how it is told from the one before. */
  readonly generation: string;
}

/** The files of a configuration by their names below the layout's folder. */
export interface Compiled {
  readonly configuration: string;
  readonly maps: ReadonlyMap<string, string>;
  /** By the names of their files. */
  readonly certificates: ReadonlyMap<string, string>;
  readonly certificateList: string;
}

const certificateList = 'certificates.list';
const defaultCertificate = 'default.pem';
const second = 1000;
/** Of requests: until their header is in, and between two of one connection. */
const headerTimeoutMs = 10 * second;
const keepAliveTimeoutMs = 180 * second;
const connectTimeoutMs = 5 * second;
/** Without a byte from either side; streams and WebSockets are often silent for long. */
const idleTimeoutMs = 3_600 * second;
/** What a process that was replaced gets for its last connections. */
const drainTimeoutMs = 12 * 3_600 * second;
/** File descriptors at most: two a connection. HAProxy sizes its tables by it. */
const filesMax = 100_000;
const nobody = 65_534;

/** The text of a configuration, its maps and its certificates. Pure; the same input gives the same text. */
export function compile(
  config: HaproxyConfig,
  slotsOf: (backend: string) => readonly Slot[],
  layout: Layout,
): Compiled {
  const maps = new Map<string, string>();
  const { http, https } = config.listeners;
  const tls = ` ssl crt ${word(`${layout.folder}/${defaultCertificate}`)} crt-list ${word(`${layout.folder}/${certificateList}`)} alpn h2,http/1.1`;
  const sections = [
    globals(layout),
    defaults(),
    ...(config.nameServers.length === 0 ? [] : [resolvers(config.nameServers)]),
    frontend('http', http, '', layout, maps),
    frontend('https', https, tls, layout, maps),
    section('backend', 'not-found', [
      'http-request return status 404 content-type text/plain string "404 page not found\\n"',
    ]),
    ...config.backends.map((backend) => compileBackend(backend, slotsOf(backend.name), config.nameServers.length > 0)),
  ];
  return {
    configuration: `${sections.join('\n')}`,
    maps,
    certificates: new Map([
      [defaultCertificate, config.defaultCertificate],
      ...config.certificates.map((one) => [fileOf(one), one.pem] as const),
    ]),
    certificateList: config.certificates
      .map((one) => `${layout.folder}/${fileOf(one)} ${one.hosts.join(' ')}\n`)
      .join(''),
  };
}

/** Where the list of certificates lies below the folder. */
export const certificateListFile = certificateList;

function fileOf({ name }: Certificate): string {
  return `${name}.pem`;
}

function section(kind: string, name: string, lines: readonly string[]): string {
  return `${[`${kind} ${name}`.trim(), ...lines.map((line) => `  ${line}`)].join('\n')}\n`;
}

function globals({ adminSocket, generation }: Layout): string {
  return section('global', '', [
    `description ${word(generation)}`,
    `stats socket ${word(adminSocket)} mode 600 level admin expose-fd listeners`,
    `stats timeout ${headerTimeoutMs}ms`,
    `hard-stop-after ${drainTimeoutMs}ms`,
    `fd-hard-limit ${filesMax}`,
    `uid ${nobody}`,
    `gid ${nobody}`,
    // A port that another program holds is to be told, not to be shared with it.
    'noreuseport',
    'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
    'tune.ssl.default-dh-param 2048',
  ]);
}

function defaults(): string {
  return section('defaults', '', [
    'mode http',
    'balance roundrobin',
    'option redispatch 1',
    'retries 3',
    // A client that reuses its connection just when a process is replaced must not meet a closed one.
    'option idle-close-on-response',
    `timeout http-request ${headerTimeoutMs}ms`,
    `timeout http-keep-alive ${keepAliveTimeoutMs}ms`,
    `timeout connect ${connectTimeoutMs}ms`,
    `timeout client ${idleTimeoutMs}ms`,
    `timeout server ${idleTimeoutMs}ms`,
    `timeout tunnel ${idleTimeoutMs}ms`,
    `timeout queue ${headerTimeoutMs}ms`,
  ]);
}

function resolvers(nameServers: readonly string[]): string {
  return section('resolvers', 'cluster', [
    ...nameServers.map((address, index) => `nameserver dns${index + 1} ${word(address)}`),
    'accepted_payload_size 1232',
  ]);
}

function frontend(
  name: string,
  { port, routes }: Listener,
  tls: string,
  { folder, ipv6 }: Layout,
  maps: Map<string, string>,
): string {
  const mapFile = (map: MapName) => `${name}-${map}.map`;
  const compiled = compileRoutes(routes, (map) => `${folder}/${mapFile(map)}`);
  for (const [map, text] of compiled.maps) maps.set(mapFile(map), text);
  return section('frontend', name, [
    `bind 0.0.0.0:${port}${tls}`,
    ...(ipv6 ? [`bind [::]:${port} v6only${tls}`] : []),
    ...compiled.rules,
    // Who asks is what the connection says; what the request claims would be anybody's word.
    'http-request set-header X-Forwarded-For %[src]',
    'http-request set-header X-Real-Ip %[src]',
    'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
    `http-request set-header X-Forwarded-Port ${port}`,
    `http-request set-header X-Forwarded-Proto ${tls === '' ? 'http' : 'https'}`,
    ...(compiled.rules.length === 0 ? [] : ['use_backend %[var(txn.route)] if { var(txn.route) -m found }']),
    'default_backend not-found',
  ]);
}

function compileBackend(backend: Backend, slots: readonly Slot[], hasNameServers: boolean): string {
  const { name, affinity, external } = backend;
  const servers =
    external === undefined
      ? slots.map((slot) => `server ${slot.name} ${serverArguments(backend, slot)}`)
      : [`server external ${externalArguments(backend, external, hasNameServers)}`];
  return section('backend', name, [
    ...(backend.connectTimeoutMs === undefined ? [] : [`timeout connect ${backend.connectTimeoutMs}ms`]),
    ...(backend.serverTimeoutMs === undefined ? [] : [`timeout server ${backend.serverTimeoutMs}ms`]),
    ...(affinity === undefined ? [] : cookieOf(name, affinity)),
    ...backend.rules.flatMap(compileRule),
    ...servers,
  ]);
}

/** What follows a server's name, in a file as at run time. */
export function serverArguments({ protocol }: Backend, { endpoint }: Slot): string {
  const address = endpoint === null ? '127.0.0.1:1 disabled' : keyOf(endpoint);
  return `${address}${transportOf[protocol]}`;
}

const transportOf: Readonly<Record<Backend['protocol'], string>> = {
  http: '',
  h2c: ' proto h2',
  https: ' ssl verify none alpn http/1.1',
  h2: ' ssl verify none alpn h2',
};

function externalArguments(
  { protocol }: Backend,
  { host, port }: { readonly host: string; readonly port: number },
  hasNameServers: boolean,
): string {
  const sni = protocol === 'https' || protocol === 'h2' ? ` sni str(${host})` : '';
  const lookUp = hasNameServers ? ' resolvers cluster init-addr none' : ' init-addr libc,none';
  return `${host}:${port}${transportOf[protocol]}${sni}${lookUp}`;
}

function cookieOf(backend: string, { cookie, secure, httpOnly, sameSite }: Affinity): readonly string[] {
  const attributes = [
    ...(httpOnly ? ['httponly'] : []),
    ...(secure ? ['secure'] : []),
    ...(sameSite === undefined ? [] : [`attr ${word(`SameSite=${sameSite}`)}`]),
  ];
  // The mark follows from the endpoint's address and this key: the same on every node and after every start.
  return [
    ['cookie', word(cookie), 'insert indirect nocache dynamic', ...attributes].join(' '),
    `dynamic-cookie-key ${word(backend)}`,
  ];
}

function compileRule(rule: Rule): readonly string[] {
  switch (rule.kind) {
    case 'allow':
      return [`http-request deny deny_status 403 unless { src ${rule.ranges.map(word).join(' ')} }`];
    case 'secure':
      return [`http-request redirect scheme https code ${rule.code} unless { ssl_fc }`];
    case 'redirect': {
      const condition = rule.onlyPath === undefined ? '' : ` if { path -m str ${word(rule.onlyPath)} }`;
      return [`http-request redirect location ${format(rule.location)} code ${rule.code}${condition}`];
    }
    case 'bodyMax':
      return [`http-request deny deny_status 413 if { req.body_size gt ${rule.bytes} }`];
    case 'rewrite':
      return [
        `http-request replace-path ${word(rule.pattern)} ${format(rule.target.replaceAll('\\', '\\\\').replaceAll(/\$(\d)/g, '\\$1'))}`,
      ];
    case 'cors':
      return compileCors(rule.cors);
  }
}

function compileCors({ origins, methods, headers, exposed, credentials, maxAgeS }: Cors): readonly string[] {
  const isAny = origins.includes('*');
  const known = '{ var(txn.origin) -m found }';
  // With credentials a browser takes no `*`; the origin that asks is repeated.
  const allowed = isAny && !credentials ? "'*'" : '%[var(txn.origin)]';
  return [
    `http-request set-var(txn.origin) req.hdr(origin)${isAny ? '' : ` if { req.hdr(origin) -m str ${origins.map(word).join(' ')} }`}`,
    `http-response set-header Access-Control-Allow-Origin ${allowed} if ${known}`,
    ...(credentials ? [`http-response set-header Access-Control-Allow-Credentials true if ${known}`] : []),
    ...(exposed === ''
      ? []
      : [`http-response set-header Access-Control-Expose-Headers ${format(exposed)} if ${known}`]),
    ...(isAny && !credentials ? [] : ['http-response add-header Vary Origin']),
    [
      `http-request return status 204 hdr Access-Control-Allow-Origin ${isAny && !credentials ? "'*'" : `'%[var(txn.origin)]'`}`,
      ...(credentials ? ['hdr Access-Control-Allow-Credentials true'] : []),
      `hdr Access-Control-Allow-Methods ${format(methods)} hdr Access-Control-Allow-Headers ${format(headers)}`,
      `hdr Access-Control-Max-Age ${maxAgeS} if METH_OPTIONS { req.hdr(access-control-request-method) -m found } ${known}`,
    ].join(' '),
  ];
}

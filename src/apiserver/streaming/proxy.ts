import { BlockList, connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { toError } from '../../core/errors.ts';
import { endpointslices, pods, services } from '../../kube/resources.gen.ts';
import { StatusError } from '../../kube/status-error.ts';
import type { Answer, Call } from '../answer.ts';
import { badRequest, notFound, serviceUnavailable } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import type { SubresourceHandler } from '../routes.ts';
import { answerOf, passOn, passOnUpgrade } from './pass-on.ts';
import { connectNode, type StreamingContext } from './pod-streams.ts';

/** Where a proxied request goes. */
interface Backend {
  readonly host: string;
  connect(signal: AbortSignal): Promise<Duplex>;
}

const connectTimeoutMs = 10_000;

/** pods/proxy, services/proxy and nodes/proxy: requests are passed on to what the object stands for. */
export function proxyHandler(
  context: StreamingContext,
  what: 'pods' | 'services' | 'nodes',
  random: () => number = Math.random,
): SubresourceHandler {
  const handle = async (call: Call): Promise<Answer> => {
    const backend = backendOf(context, what, call, random);
    const path = pathOf(call);
    if (path === undefined) {
      const location = `${call.info.path}/${queryOf(call)}`;
      return { type: 'raw', code: 301, headers: { location }, body: '' };
    }
    const target = `${path}${queryOf(call)}`;
    const connection = await backend.connect(call.signal).catch((thrown: unknown) => {
      if (thrown instanceof StatusError) throw thrown;
      throw serviceUnavailable(`error trying to reach service: ${toError(thrown).message}`);
    });
    if (call.upgrade !== undefined) {
      passOnUpgrade(connection, call.upgrade, { path: target, host: backend.host });
      return { type: 'taken' };
    }
    const body = await call.body();
    const bytes = body.type === 'bytes' ? body.bytes : Buffer.from(JSON.stringify(body.value));
    const { method, headers = {}, signal } = call;
    const passed = { method, path: target, host: backend.host, headers, body: bytes, signal };
    const response = await passOn(connection, passed).catch((thrown: unknown) => {
      throw serviceUnavailable(`error trying to reach service: ${toError(thrown).message}`);
    });
    return answerOf(response);
  };
  return { GET: handle, POST: handle, PUT: handle, PATCH: handle, DELETE: handle, takesPath: true, isLong: () => true };
}

/** What follows `/proxy`; undefined when nothing does, not even a slash. */
function pathOf({ info }: Call): string | undefined {
  const marker = `/${info.name}/proxy`;
  const plain = info.path.indexOf(marker);
  const start = plain >= 0 ? plain + marker.length : info.path.indexOf('/proxy') + '/proxy'.length;
  const rest = info.path.slice(start);
  return rest === '' ? undefined : rest;
}

function queryOf({ query }: Call): string {
  const parameters = new URLSearchParams();
  for (const [name, values] of query.entries()) for (const value of values) parameters.append(name, value);
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

function backendOf(context: StreamingContext, what: string, call: Call, random: () => number): Backend {
  const { namespace, name } = call.info;
  if (what === 'nodes') return { host: 'node', connect: (signal) => connectNode(context, name, signal) };
  const target = parseTarget(name);
  if (target === undefined) throw badRequest(`invalid ${what.slice(0, -1)} request ${JSON.stringify(name)}`);
  const { reader } = context;
  const address =
    what === 'pods' ? podAddress(reader, namespace, target) : serviceAddress(reader, namespace, target, random);
  checkAddress(address.host);
  const host = isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
  return { host, connect: (signal) => open(address, target.scheme === 'https', signal) };
}

interface Target {
  readonly scheme: string;
  readonly name: string;
  /** Empty for the default. */
  readonly port: string;
}

/** `name`, `name:port`, `scheme:name:port`. */
function parseTarget(text: string): Target | undefined {
  const parts = text.split(':');
  const [a = '', b = '', c = ''] = parts;
  if (parts.length === 1) return { scheme: '', name: a, port: '' };
  if (parts.length === 2) return { scheme: '', name: a, port: b };
  if (parts.length > 3 || !['', 'http', 'https'].includes(a)) return undefined;
  return { scheme: a, name: b, port: c };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function podAddress(reader: ClusterReader, namespace: string, { name, port }: Target): Address {
  const pod = reader.get(pods, { namespace, name });
  if (pod === undefined) throw notFound(pods, name);
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const named = ports.find((one) => one.name === port)?.containerPort;
  const number = port === '' ? (ports[0]?.containerPort ?? 80) : (named ?? Number(port));
  return { host: pod.status?.podIP ?? '', port: number };
}

/** A ready endpoint of the service, chosen at random. */
function serviceAddress(
  reader: ClusterReader,
  namespace: string,
  { name, port }: Target,
  random: () => number,
): Address {
  const service = reader.get(services, { namespace, name });
  if (service === undefined) throw notFound(services, name);
  const slices = reader
    .list(endpointslices, namespace)
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
  // A service of which nobody has looked for endpoints yet is told as absent, as upstream does.
  if (slices.length === 0) throw notFound(services, name);
  const ports = service.spec?.ports ?? [];
  const named = ports.find((one) => one.name === port || String(one.port) === port);
  const wanted = port === '' && ports.length === 1 ? ports[0] : named;
  if (wanted === undefined)
    throw serviceUnavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  const found = slices.flatMap(({ endpoints = [], ports: own = [] }) => {
    const number = own?.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port;
    if (number === undefined) return [];
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    return ready.flatMap(({ addresses }) => addresses.map((host) => ({ host, port: number })));
  });
  const chosen = found[Math.floor(random() * found.length)];
  if (chosen === undefined) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return chosen;
}

/** Addresses that mean the API server's own machine or link; nobody shall reach those through it. */
const forbidden = new BlockList();
forbidden.addSubnet('127.0.0.0', 8, 'ipv4');
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('224.0.0.0', 24, 'ipv4');
forbidden.addAddress('0.0.0.0', 'ipv4');
forbidden.addAddress('::1', 'ipv6');
forbidden.addAddress('::', 'ipv6');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('ff01::', 16, 'ipv6');
forbidden.addSubnet('ff02::', 16, 'ipv6');

function checkAddress(host: string): void {
  const version = isIP(host);
  if (version === 0 || forbidden.check(host, version === 6 ? 'ipv6' : 'ipv4')) throw badRequest('address not allowed');
}

function open({ host, port }: Address, isTls: boolean, signal: AbortSignal): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const options = { host, port, timeout: connectTimeoutMs };
  // As upstream has it, a backend's certificate is not checked: it has no name that could be known here.
  const socket = isTls ? connectTls({ ...options, rejectUnauthorized: false }) : connectTcp(options);
  const abort = () => socket.destroy(new Error('context canceled'));
  signal.addEventListener('abort', abort, { once: true });
  socket.once('timeout', () => socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)));
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    socket.setTimeout(0);
    resolve(socket);
  });
  socket.once('error', reject);
  return promise.finally(() => signal.removeEventListener('abort', abort));
}

import type { Duplex } from 'node:stream';
import { describeError, TransientError, toError } from '../../core/errors.ts';
import { nodes, pods } from '../../kube/resources.gen.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { Answer, Call } from '../answer.ts';
import { authorize, type Security } from '../chain.ts';
import { badRequest, failure, internalError, notFound } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import { isTrue } from '../request-info.ts';
import type { SubresourceHandler } from '../routes.ts';
import { logParameters } from './log-options.ts';
import type { NodeConnector } from './node-connector.ts';
import { passOn, passOnUpgrade } from './pass-on.ts';

export interface StreamingContext {
  readonly reader: ClusterReader;
  readonly nodes: NodeConnector;
  /** Opening a WebSocket is a GET; it too needs the right to create. */
  readonly security: Security;
}

/** Bytes of an error that a node answers with, as far as it is passed on. */
const errorBytesMax = 10 * 1024;

/** pods/log. */
export function logHandler(context: StreamingContext): SubresourceHandler {
  return {
    isLong: (call) => isTrue(call.query.get('follow')),
    async GET(call) {
      const { name } = call.info;
      const pod = podOf(context.reader, call);
      const parameters = logParameters(call.query, name);
      const container = containerOf(pod, call.query.get('container') ?? '');
      // A pod that no node has taken yet has said nothing.
      if (!pod.spec?.nodeName) return { type: 'raw', code: 204, headers: {}, body: '' };
      const path = `/containerLogs/${call.info.namespace}/${name}/${container}?${parameters}`;
      const connection = await connectNode(context, pod.spec.nodeName, call.signal);
      const passed = { method: 'GET', path, host: 'node', headers: {}, body: Buffer.alloc(0), signal: call.signal };
      const response = await passOn(connection, passed).catch((thrown: unknown) => {
        throw internalError(describeError(thrown));
      });
      if (response.statusCode === 200) {
        const headers = { 'content-type': 'text/plain' };
        return { type: 'raw', code: 200, headers, body: untilGone(response, call.signal) };
      }
      throw await nodeRefusal(response.statusCode ?? 500, response, name);
    },
  };
}

/** A body that ends quietly when its reader has left. */
async function* untilGone(body: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

async function nodeRefusal(code: number, body: AsyncIterable<Buffer>, name: string) {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= errorBytesMax) break;
  }
  const text = Buffer.concat(chunks).subarray(0, errorBytesMax).toString('utf8').trim();
  if (code === 400) return badRequest(text);
  if (code === 500) return internalError(text);
  const message = code === 404 ? `the server could not find the requested resource (get pods ${name}): ${text}` : text;
  return failure({ code, message, details: { name, kind: 'pods' } });
}

/** pods/exec and pods/attach. */
export function executeHandler(context: StreamingContext, what: 'exec' | 'attach'): SubresourceHandler {
  const connect = async (call: Call): Promise<Answer> => {
    await requireCreate(context, call);
    const pod = podOf(context.reader, call);
    const container = containerOf(pod, call.query.get('container') ?? '');
    const node = hostOf(pod);
    const parameters = new URLSearchParams();
    const streams = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' };
    for (const [name, theirs] of Object.entries(streams)) if (isTrue(call.query.get(name))) parameters.set(theirs, '1');
    if (what === 'exec') for (const word of call.query.all('command')) parameters.append('command', word);
    return upgradeTo(
      context,
      call,
      node,
      `/${what}/${call.info.namespace}/${call.info.name}/${container}?${parameters}`,
    );
  };
  return { GET: connect, POST: connect, isLong: () => true };
}

/** pods/portforward. */
export function portForwardHandler(context: StreamingContext): SubresourceHandler {
  const connect = async (call: Call): Promise<Answer> => {
    await requireCreate(context, call);
    const node = hostOf(podOf(context.reader, call));
    const parameters = new URLSearchParams();
    for (const ports of call.query.all('ports')) parameters.append('port', ports);
    return upgradeTo(context, call, node, `/portForward/${call.info.namespace}/${call.info.name}?${parameters}`);
  };
  return { GET: connect, POST: connect, isLong: () => true };
}

async function requireCreate({ security }: StreamingContext, call: Call): Promise<void> {
  if (call.info.verb !== 'get') return;
  await authorize(security, call.user, { ...call.info, verb: 'create' }, call.query);
}

async function upgradeTo(context: StreamingContext, call: Call, nodeName: string, path: string): Promise<Answer> {
  const { upgrade } = call;
  if (upgrade === undefined) throw badRequest('Upgrade request required');
  const connection = await connectNode(context, nodeName, call.signal);
  passOnUpgrade(connection, upgrade, { path, host: 'node' });
  return { type: 'taken' };
}

/** A connection to a node's HTTP API. Throws InternalError that says why there is none. */
export async function connectNode(
  { reader, nodes: connector }: StreamingContext,
  name: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const node = reader.get(nodes, { name });
  if (node === undefined) throw notFound(nodes, name);
  try {
    return await connector.connect(node, signal);
  } catch (thrown) {
    throw internalError(thrown instanceof TransientError ? thrown.message : toError(thrown).message);
  }
}

function podOf(reader: ClusterReader, call: Call): Pod {
  const { namespace, name } = call.info;
  const pod = reader.get(pods, { namespace, name });
  if (pod === undefined) throw notFound(pods, name);
  return pod;
}

function hostOf(pod: Pod): string {
  const name = pod.spec?.nodeName ?? '';
  if (name === '') throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return name;
}

/** The container that is meant: the one named, or the only one. Throws BadRequest in upstream's words. */
function containerOf(pod: Pod, name: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const podName = pod.metadata.name ?? '';
  const [first] = containers;
  if (name === '') {
    if (first !== undefined && containers.length === 1) return first.name;
    const names = (list: readonly { readonly name: string }[]) => `[${list.map((one) => one.name).join(' ')}]`;
    const start = `a container name must be specified for pod ${podName}`;
    if (first === undefined) throw badRequest(start);
    const init = initContainers.length === 0 ? '' : ` or one of the init containers: ${names(initContainers)}`;
    throw badRequest(`${start}, choose one of: ${names(containers)}${init}`);
  }
  const isKnown = [...containers, ...initContainers, ...ephemeralContainers].some((one) => one.name === name);
  if (!isKnown) throw badRequest(`container ${name} is not valid for pod ${podName}`);
  return name;
}

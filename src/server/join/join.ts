import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/client-impl.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import type { Clock } from '../../core/clock.ts';
import { TransientError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { findCondition } from '../../kube/conditions.ts';
import { configmaps, nodes } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Node } from '../../kube/types.gen.ts';
import type { AgentOptions } from '../agent-options.ts';
import { settleNodeIps } from '../network-options.ts';
import type { Paths } from '../paths.ts';
import { findAuthority, keepAuthority, unreachableServer } from './authority.ts';
import { type ClusterSettings, readSettings } from './cluster-settings.ts';
import { NodeCertificate } from './node-certificate.ts';
import { parseJoinToken } from './token.ts';

export interface JoinContext {
  readonly options: AgentOptions;
  readonly paths: Paths;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A node's way into its cluster. Disposing closes its connections. */
export interface Membership extends Disposable {
  /** The API as this node. */
  readonly client: Client;
  /** The API as a service account that nodes may act as. */
  clientAs(user: string): Client;
  readonly certificate: NodeCertificate;
  readonly serving: NodeCertificate;
  readonly settings: ClusterSettings;
  /** This node's addresses, of the cluster's families. */
  readonly nodeIps: readonly string[];
  /** PEM of the authority that signs those who may ask the kubelet API. */
  readonly clientAuthority: string;
}

const retryMs = 1000;
/** How long a server that is just starting may refuse a token that it will accept. */
const tokenTimeoutMs = 5000;

/**
 * Joins the cluster, or comes back to it with the certificates of an earlier start; a node that is known waits for its
 * server as long as it takes. Throws WherryError with what the user can do.
 */
export async function join(context: JoinContext): Promise<Membership> {
  const { options, paths, clock, log, signal } = context;
  const { server } = options;
  const directory = paths.agent;
  const token = options.token === undefined ? undefined : parseJoinToken(options.token);
  const authority = await findAuthority({ server, directory, token, clock, signal });
  if (!authority.isVerified)
    log.warn('the token carries no hash, so whoever answers is taken for the server', { server });
  const common = { nodeName: options.nodeName, directory, clock, log };
  const certificate = new NodeCertificate({ ...common, purpose: 'client', names: { dns: [], ips: [] } });
  const isKnown = authority.isKept && (await certificate.load()) !== undefined;
  if (!isKnown) {
    if (token === undefined) {
      throw new WherryError(
        'NO_TOKEN',
        "--token: this node's certificate is missing or has ended, so it must join anew",
        {
          hint: 'copy the line of DATA-DIR/server/token from the server',
        },
      );
    }
    const { id, secret } = token.credentials;
    using transport = createHttpsTransport({ server, ca: authority.certificate, token: () => `${id}.${secret}` });
    await first(context, () => certificate.request(createClient(transport), signal));
  }
  const reach = {
    server,
    ca: authority.certificate,
    userAgent: 'wherry-agent',
    certificate: () => certificate.current && { cert: certificate.current.certificate, key: certificate.current.key },
  };
  const stack = new DisposableStack();
  try {
    const client = createClient(stack.use(createHttpsTransport(reach)));
    const settings = await reachable(context, () => readSettings(client));
    const nodeIps = settleNodeIps(options.nodeIps, settings, options.machine);
    if (!isKnown) {
      await first(context, () => refuseTakenName(client, options.nodeName, nodeIps));
      await certificate.keep();
      await keepAuthority(directory, authority.certificate);
    }
    const serving = new NodeCertificate({ ...common, purpose: 'serving', names: { dns: [], ips: nodeIps } });
    await serving.load();
    const clientAuthority = await reachable(context, () => readClientAuthority(client));
    const owned = stack.move();
    return {
      client,
      clientAs: (user) => createClient(owned.use(createHttpsTransport({ ...reach, impersonate: user }))),
      certificate,
      serving,
      settings,
      nodeIps,
      clientAuthority,
      [Symbol.dispose]: () => owned.dispose(),
    };
  } catch (error) {
    stack.dispose();
    throw error;
  }
}

/** At the first start errors are told soon. */
async function first<T>({ options, clock, signal }: JoinContext, run: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonic() + tokenTimeoutMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      signal.throwIfAborted();
      if (!isReason(error, 'Unauthorized', 'Forbidden')) {
        const isApart = error instanceof TransientError && error.code.startsWith('API_');
        throw isApart ? unreachableServer(options.server, error) : error;
      }
      if (clock.monotonic() > deadline) {
        throw new WherryError('WRONG_TOKEN', 'the server refuses the token: it is wrong or no longer holds', {
          cause: error,
          hint: 'copy the line of DATA-DIR/server/token from the server again',
        });
      }
      await clock.sleep(retryMs, signal);
    }
  }
}

/** A node that has joined outlives its server's absence. */
async function reachable<T>({ options, clock, log, signal }: JoinContext, run: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      signal.throwIfAborted();
      if (isReason(error, 'Unauthorized')) {
        throw new WherryError('NODE_UNKNOWN', `the server at ${options.server} does not know this node's certificate`, {
          cause: error,
          hint: 'remove the node with `wherry reset --yes`, then join again with --token',
        });
      }
      // While a server starts, the roles and settings of nodes may not be there yet.
      if (!(error instanceof TransientError) && !isReason(error, 'Forbidden', 'NotFound', 'ServiceUnavailable'))
        throw error;
      if (attempt === 0) log.warn('waiting for the server', { error });
      await clock.sleep(retryMs, signal);
    }
  }
}

async function refuseTakenName(client: Client, nodeName: string, nodeIps: readonly string[]): Promise<void> {
  let node: Node;
  try {
    node = await client.get(nodes, { name: nodeName });
  } catch (error) {
    if (isReason(error, 'NotFound')) return;
    throw error;
  }
  const addresses = (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  const isReady = findCondition(node.status?.conditions, 'Ready')?.status === 'True';
  if (!isReady || addresses.some(({ address }) => nodeIps.includes(address))) return;
  const where = addresses.map(({ address }) => address).join(', ');
  throw new WherryError('NODE_NAME_TAKEN', `a node named ${nodeName} is in the cluster and Ready, at ${where}`, {
    hint: 'give this machine another --node-name, or remove the other node with `kubectl delete node` once it is stopped',
  });
}

async function readClientAuthority(client: Client): Promise<string> {
  const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const pem = (await client.get(configmaps, key)).data?.['client-ca-file'];
  if (pem !== undefined) return pem;
  throw new TransientError(
    'CLIENT_AUTHORITY',
    `the ConfigMap kube-system/extension-apiserver-authentication has no client-ca-file`,
  );
}

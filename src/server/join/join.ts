import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/client-impl.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import type { Transport } from '../../client/transport.ts';
import type { Clock } from '../../core/clock.ts';
import { TransientError, WherryError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { Log } from '../../core/log.ts';
import { configmaps } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { familyOf } from '../address-ranges.ts';
import type { AgentOptions } from '../agent-options.ts';
import { settleNodeIps } from '../network-options.ts';
import type { Paths } from '../paths.ts';
import { findAuthority, keepAuthority } from './authority.ts';
import { awaitCertificate } from './certificate-request.ts';
import { type ClusterSettings, readSettings } from './cluster-settings.ts';
import { type JoinRequest, joinPath, tokenStatePath } from './gate.ts';
import { NodeCertificate } from './node-certificate.ts';
import { ensureNodePassword } from './node-password.ts';
import { onceReachable, type ReachOptions, whileJoining } from './reach.ts';
import { type Credentials, parseJoinToken } from './token.ts';

export interface JoinContext {
  readonly options: AgentOptions;
  readonly paths: Paths;
  /** Of this machine's node agent. */
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told what is waited for while the server is away. */
  onWaiting(why: string): void;
}

/** A node's way into its cluster. Disposing closes its connections. */
export interface Membership extends Disposable {
  /** The API as this node. */
  readonly client: Client;
  /** The same below its objects. */
  readonly transport: Transport;
  /** The API as a service account that nodes may act as. */
  clientAs(user: string): Client;
  /** Tells the server again whose this node's name is, e.g. after its Node object was removed. */
  claim(): Promise<void>;
  readonly certificate: NodeCertificate;
  readonly serving: NodeCertificate;
  readonly settings: ClusterSettings;
  /** This node's addresses, of the cluster's families. */
  readonly nodeIps: readonly string[];
  /** PEM of the authority that signs those who may ask the kubelet API. */
  readonly clientAuthority: string;
}

/**
 * Joins the cluster, or comes back to it with the certificates of an earlier start; a node that is known waits for its
 * server as long as it takes. Throws WherryError with what the user can do.
 */
export async function join(context: JoinContext): Promise<Membership> {
  const { options, paths, clock, log, signal } = context;
  const { server, nodeName } = options;
  const reachOptions: ReachOptions = { ...context, server };
  const directory = paths.agent;
  const token = options.token === undefined ? undefined : parseJoinToken(options.token);
  const authority = await findAuthority({ server, directory, token, clock, signal });
  if (!authority.isVerified)
    log.warn('the token carries no hash, so whoever answers is taken for the server', { server });
  const common = { nodeName, directory, clock, log };
  const certificate = new NodeCertificate({ ...common, purpose: 'client', names: { dns: [], ips: [] } });
  const isKnown = authority.isKept && (await certificate.load()) !== undefined;
  const self: JoinRequest = {
    nodeName,
    password: await ensureNodePassword(directory),
    nodeIps: options.nodeIps ?? likelyAddresses(options),
    version: context.version,
  };
  if (!isKnown) {
    if (token === undefined) {
      throw new WherryError(
        'NO_TOKEN',
        "--token: this node's certificate is missing or has ended, so it must join anew",
        { hint: 'copy the line of DATA-DIR/server/token from the server' },
      );
    }
    await enter(reachOptions, { ca: authority.certificate, credentials: token.credentials, self, certificate });
  }
  const reach = {
    server,
    ca: authority.certificate,
    userAgent: 'wherry-agent',
    certificate: () => certificate.current && { cert: certificate.current.certificate, key: certificate.current.key },
  };
  const stack = new DisposableStack();
  try {
    const transport = stack.use(createHttpsTransport(reach));
    const client = createClient(transport);
    const claim = () => announce(transport, self, signal);
    if (isKnown) await onceReachable(reachOptions, claim);
    const settings = await onceReachable(reachOptions, () => readSettings(client));
    const clientAuthority = await onceReachable(reachOptions, () => readClientAuthority(client));
    const nodeIps = settleNodeIps(options.nodeIps, settings, options.machine);
    if (!isKnown) {
      await certificate.keep();
      await keepAuthority(directory, authority.certificate);
    }
    const serving = new NodeCertificate({
      ...common,
      purpose: 'serving',
      names: { dns: [], ips: [...nodeIps, ...options.nodeExternalIps] },
    });
    await serving.load();
    const owned = stack.move();
    return {
      client,
      transport,
      clientAs: (user) => createClient(owned.use(createHttpsTransport({ ...reach, impersonate: user }))),
      claim,
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

interface Entry {
  /** PEM of the server's authority. */
  readonly ca: string;
  readonly credentials: Credentials;
  readonly self: JoinRequest;
  readonly certificate: NodeCertificate;
}

/** With the token alone: asks for a certificate, shows whose the name is, and takes the certificate. */
async function enter(options: ReachOptions, { ca, credentials, self, certificate }: Entry): Promise<void> {
  const { server, signal } = options;
  const text = `${credentials.id}.${credentials.secret}`;
  using stranger = createHttpsTransport({ server, ca });
  using transport = createHttpsTransport({ server, ca, token: () => text });
  const client = createClient(transport);
  try {
    const order = await whileJoining(options, async () => {
      const state = await tokenState(stranger, text, signal);
      if (state?.state === 'expired') throw expiredToken(state.expiredAt);
      return await certificate.order(client, signal);
    });
    await whileJoining(options, () => announce(transport, { ...self, request: order.name }, signal));
    await certificate.take(await awaitCertificate(client, order, options.clock, signal));
  } catch (error) {
    if (!isReason(error, 'Unauthorized', 'Forbidden')) throw error;
    throw new WherryError('WRONG_TOKEN', 'the server refuses the token: it is wrong, was revoked or has expired', {
      hint: 'copy the line of DATA-DIR/server/token from the server again, or make a new one there with `wherry token create`',
    });
  }
}

async function announce(transport: Transport, self: JoinRequest, signal: AbortSignal): Promise<void> {
  await transport.call({ method: 'POST', path: joinPath, body: self, signal });
}

/** Why a token does not hold; undefined while the server can't say. */
async function tokenState(
  transport: Transport,
  token: string,
  signal: AbortSignal,
): Promise<{ readonly state: unknown; readonly expiredAt: string } | undefined> {
  const answer = await transport.call({ method: 'POST', path: tokenStatePath, body: { token }, signal });
  if (!isObject(answer)) return undefined;
  return { state: answer['state'], expiredAt: String(answer['expiredAt'] ?? '') };
}

function expiredToken(when: string): WherryError {
  return new WherryError('TOKEN_EXPIRED', `the token has expired at ${when}`, {
    hint: 'make a new one on the server with `wherry token create`, or copy the line of DATA-DIR/server/token, which never expires',
  });
}

/** What this machine's addresses will be, whatever families the cluster has. */
function likelyAddresses({ machine }: AgentOptions): readonly string[] {
  const first = (family: string) => machine.addresses.find(({ address }) => familyOf(address) === family)?.address;
  return [first('IPv4'), first('IPv6')].filter((address) => address !== undefined);
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

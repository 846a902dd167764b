import { type Answer, type Call, objectAnswer } from '../../apiserver/answer.ts';
import { sameText } from '../../apiserver/authn/bootstrap-tokens.ts';
import { badRequest, failure } from '../../apiserver/errors.ts';
import type { RouteTable } from '../../apiserver/routes.ts';
import type { Client } from '../../client/client.ts';
import { type CertificateSigner, kubeletClientSigner, refusal } from '../../controllers/certificate-signing.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { findCondition } from '../../kube/conditions.ts';
import { certificatesigningrequests, nodes, secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { formatTime } from '../../kube/time.ts';
import type { CertificateSigningRequest, Node } from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import { familyOf } from '../address-ranges.ts';
import { decodeToken, tokenNamespace, tokenSecretName } from './bootstrap-token.ts';
import { joinGroup } from './join-group.ts';
import { claimName } from './node-password.ts';
import { type Refusal, refusalStatus } from './refusal.ts';
import { versionSkew } from './skew.ts';

/** Where a machine asks to join, and where it learns why its token does not hold. */
export const joinPath = '/v1-wherry/join';
export const tokenStatePath = '/v1-wherry/token';

/** What a machine says of itself when it joins, and again at each start. */
export interface JoinRequest {
  readonly nodeName: string;
  readonly password: string;
  /** Under which addresses others would reach it. */
  readonly nodeIps: readonly string[];
  /** Of its node agent, e.g. v1.36.2+wherry1. */
  readonly version: string;
  /** The CertificateSigningRequest that waits for this; none when the machine has its certificate. */
  readonly request?: string;
}

/** What the server says of a token that is shown to it. */
export interface TokenState {
  readonly state: 'valid' | 'expired' | 'unknown';
  /** RFC 3339. */
  readonly expiredAt?: string;
}

export interface GateOptions {
  /** The API as the cluster's superuser. */
  readonly client: Client;
  readonly clock: Clock;
  readonly signer: Pick<CertificateSigner, 'parse'>;
  readonly clusterCidrs: readonly string[];
  /** Kubernetes' version that this server speaks. */
  readonly version: string;
}

/**
 * The door of the cluster. A token alone makes nobody a node: the request for a certificate is approved here, once the
 * machine has shown that the name is its own, that no other node has its address, and that its version fits.
 */
export class Gate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  serveOn(routes: RouteTable): void {
    routes.add(joinPath, { methods: ['POST'], handle: (call) => this.#join(call) });
    routes.add(tokenStatePath, { methods: ['POST'], handle: (call) => this.#tokenState(call) });
  }

  /** Lets a machine in, or throws StatusError with the refusal. */
  async admit(user: UserInfo, request: JoinRequest): Promise<void> {
    const isItself = user.name === `system:node:${request.nodeName}`;
    if (!isItself && !user.groups.includes(joinGroup)) {
      const message = `${user.name} may not join as node ${request.nodeName}`;
      throw failure({ code: 403, reason: 'Forbidden', message });
    }
    const found = await this.#refusal(request, isItself);
    if (request.request !== undefined) await this.#settle(user, request, request.request, found);
    if (found !== undefined) throw refusalStatus(found);
  }

  async #join(call: Call): Promise<Answer> {
    await this.admit(call.user, readJoinRequest(await bodyOf(call)));
    return objectAnswer(200, null, {});
  }

  async #refusal(request: JoinRequest, isItself: boolean): Promise<Refusal | undefined> {
    const { client, version, clusterCidrs } = this.#options;
    const skew = versionSkew(request.version, version);
    if (skew !== undefined)
      return {
        code: 'VERSION_SKEW',
        message: skew,
        hint: 'run the same version of Wherry on all machines, servers first',
      };
    const all = (await client.list(nodes)).items;
    const families = new Set(clusterCidrs.map(familyOf));
    const nodeIps = request.nodeIps.filter((ip) => families.has(familyOf(ip)));
    const other = all.find(
      (node) => node.metadata.name !== request.nodeName && isReady(node) && hasAddress(node, nodeIps),
    );
    if (other !== undefined) {
      const shared = addressesOf(other).filter((ip) => nodeIps.includes(ip));
      return {
        code: 'NODE_IP_TAKEN',
        message: `the node ${other.metadata.name} is in the cluster and Ready at ${shared.join(', ')}, the address of this machine`,
        hint: `give this machine an address of its own (--node-ip), or remove that node with \`kubectl delete node ${other.metadata.name}\` once it is stopped`,
      };
    }
    if (await claimName(client, { ...request, isItself })) return undefined;
    return nameTaken(
      request.nodeName,
      all.find(({ metadata }) => metadata.name === request.nodeName),
    );
  }

  /** Approves the waiting request for a certificate, or denies it with the reason, where administrators look. */
  async #settle(user: UserInfo, request: JoinRequest, name: string, found: Refusal | undefined): Promise<void> {
    const { client } = this.#options;
    const standing = await this.#waiting(user, request, name);
    if (standing === undefined) {
      // A repeated call, after an answer that was lost.
      if (found === undefined) return;
      throw refusalStatus(found);
    }
    const now = formatTime(this.#options.clock.now());
    const verdict =
      found === undefined
        ? {
            type: 'Approved',
            reason: 'NodePasswordVerified',
            message: `The machine has shown that the name ${request.nodeName} is its own.`,
          }
        : { type: 'Denied', reason: found.code, message: found.message };
    const condition = { ...verdict, status: 'True', lastUpdateTime: now, lastTransitionTime: now };
    const conditions = [...(standing.status?.conditions ?? []), condition];
    await client.update(
      certificatesigningrequests,
      { ...standing, status: { ...standing.status, conditions } },
      { subresource: 'approval' },
    );
  }

  /** The request for a certificate, if it is this user's for this node and not yet settled. Throws StatusError for another one. */
  async #waiting(
    user: UserInfo,
    { nodeName }: JoinRequest,
    name: string,
  ): Promise<CertificateSigningRequest | undefined> {
    const { client } = this.#options;
    let standing: CertificateSigningRequest;
    try {
      standing = await client.get(certificatesigningrequests, { name });
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error;
      throw refusalStatus(badRequestFor(nodeName, `there is no certificate signing request ${name}`));
    }
    const why = this.#unfit(user, nodeName, standing);
    if (why !== undefined) throw refusalStatus(badRequestFor(nodeName, why));
    const isSettled = (standing.status?.conditions ?? []).length > 0;
    return isSettled ? undefined : standing;
  }

  /** Why a request for a certificate is not this user's for this node; undefined when it is. */
  #unfit(user: UserInfo, nodeName: string, { spec }: CertificateSigningRequest): string | undefined {
    const { username, signerName, usages = [] } = spec;
    if (username !== user.name) return `it was made by ${username}`;
    if (signerName !== kubeletClientSigner) return `its signer is ${signerName}`;
    try {
      const content = this.#options.signer.parse(Buffer.from(spec.request, 'base64').toString('utf8'));
      if (content.commonName !== `system:node:${nodeName}`) return `its subject is ${content.commonName}`;
      return refusal(signerName, content, usages);
    } catch (error) {
      return describeError(error);
    }
  }

  /** Says of a token whether it holds, to whoever has the whole of it: no more than an attempt to use it would tell. */
  async #tokenState(call: Call): Promise<Answer> {
    const given = await bodyOf(call);
    const text = isObject(given) && typeof given['token'] === 'string' ? given['token'] : '';
    return objectAnswer(200, null, await this.tokenState(text));
  }

  async tokenState(text: string): Promise<TokenState> {
    const { client, clock } = this.#options;
    const [id = '', secret = ''] = text.split('.');
    try {
      const token = decodeToken(await client.get(secrets, { namespace: tokenNamespace, name: tokenSecretName(id) }));
      if (token === undefined || !sameText(token.credentials.secret, secret)) return { state: 'unknown' };
      const { expiresAt } = token;
      if (expiresAt === undefined || expiresAt > clock.now()) return { state: 'valid' };
      return { state: 'expired', expiredAt: formatTime(expiresAt) };
    } catch (error) {
      if (isReason(error, 'NotFound')) return { state: 'unknown' };
      throw error;
    }
  }
}

function nameTaken(nodeName: string, node: Node | undefined): Refusal {
  const where = node === undefined ? '' : addressesOf(node).join(', ');
  const state =
    node === undefined
      ? 'has joined before'
      : `is in the cluster and ${isReady(node) ? 'Ready' : 'not Ready'}${where === '' ? '' : `, at ${where}`}`;
  return {
    code: 'NODE_NAME_TAKEN',
    message: `a node named ${nodeName} ${state}, and this machine does not know its password`,
    hint: `give this machine another --node-name (or --with-node-id), or remove the other node with \`kubectl delete node ${nodeName}\` once it is stopped`,
  };
}

function badRequestFor(nodeName: string, why: string): Refusal {
  return {
    code: 'BAD_CERTIFICATE_REQUEST',
    message: `the certificate signing request is not one that node ${nodeName} may have: ${why}`,
    hint: 'run the same version of Wherry on all machines',
  };
}

function addressesOf(node: Node): readonly string[] {
  return (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}

function hasAddress(node: Node, nodeIps: readonly string[]): boolean {
  return addressesOf(node).some((ip) => nodeIps.includes(ip));
}

function isReady(node: Node): boolean {
  return findCondition(node.status?.conditions, 'Ready')?.status === 'True';
}

async function bodyOf(call: Call): Promise<unknown> {
  const body = await call.body();
  if (body.type === 'value') return body.value;
  try {
    return JSON.parse(body.bytes.toString('utf8'));
  } catch {
    throw badRequest('the body is not JSON');
  }
}

/** Throws StatusError BadRequest for what is no join request. */
function readJoinRequest(value: unknown): JoinRequest {
  if (!isObject(value)) throw badRequest('the body is not a join request');
  const { nodeName, password, nodeIps, version, request } = value;
  const isWhole =
    typeof nodeName === 'string' &&
    typeof password === 'string' &&
    typeof version === 'string' &&
    Array.isArray(nodeIps) &&
    nodeIps.every((ip) => typeof ip === 'string') &&
    (request === undefined || typeof request === 'string');
  if (!isWhole) throw badRequest('the body is not a join request');
  return { nodeName, password, nodeIps, version, ...(request === undefined ? {} : { request }) };
}

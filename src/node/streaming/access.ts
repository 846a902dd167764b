import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { isObject } from '../../core/json.ts';
import type { KubeObject } from '../../kube/object.ts';
import { subjectaccessreviews, tokenreviews } from '../../kube/resources.gen.ts';
import { systemMasters, type UserInfo } from '../../kube/user.ts';
import { HttpError } from './http-error.ts';

/** Decides whether a request to the node's HTTP API may pass. Throws HttpError 401 or 403. */
export interface NodeAccess {
  check(request: IncomingMessage): Promise<void>;
}

/** How long an answer of the API server is kept, milliseconds: kubelet's webhook cache times. */
const keptMs = 30_000;
const keptMax = 1000;

/**
 * Access as kubelet's webhook mode has it: a client certificate or a bearer token says who asks (the API server knows tokens),
 * and a SubjectAccessReview of the node's subresource whether that is allowed. Members of system:masters, as the
 * API server itself, need no review.
 */
export function createNodeAccess(client: Client, nodeName: string, clock: Clock): NodeAccess {
  const users = new Map<string, { readonly user: UserInfo | undefined; readonly until: number }>();
  const decisions = new Map<string, { readonly allowed: boolean; readonly until: number }>();

  async function userOf(request: IncomingMessage): Promise<UserInfo | undefined> {
    const fromCertificate = certificateUser(request);
    if (fromCertificate !== undefined) return fromCertificate;
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    return (await remember(users, token, clock.now(), async () => ({ user: await reviewToken(token) }))).user;
  }

  async function reviewToken(token: string): Promise<UserInfo | undefined> {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
    const { status } = (await client.create(tokenreviews as never, review as KubeObject)) as { status?: unknown };
    if (!isObject(status) || status.authenticated !== true || !isObject(status.user)) return undefined;
    const { username, groups } = status.user;
    if (typeof username !== 'string') return undefined;
    return { name: username, groups: Array.isArray(groups) ? groups.filter((one) => typeof one === 'string') : [] };
  }

  async function reviewAccess(user: UserInfo, verb: string, subresource: string): Promise<boolean> {
    const resourceAttributes = { group: '', version: 'v1', resource: 'nodes', name: nodeName, verb, subresource };
    const spec = { user: user.name, groups: [...user.groups], resourceAttributes };
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {}, spec };
    const { status } = (await client.create(subjectaccessreviews as never, review as KubeObject)) as {
      status?: unknown;
    };
    return isObject(status) && status.allowed === true;
  }

  return {
    async check(request) {
      const user = await userOf(request);
      if (user === undefined) throw new HttpError(401, 'Unauthorized');
      if (user.groups.includes(systemMasters)) return;
      const verb = verbOf(request.method ?? 'GET');
      const subresource = subresourceOf(request.url ?? '/');
      const key = JSON.stringify([user.name, user.groups, verb, subresource]);
      const { allowed } = await remember(decisions, key, clock.now(), async () => ({
        allowed: await reviewAccess(user, verb, subresource),
      }));
      if (allowed) return;
      throw new HttpError(
        403,
        `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresource}])`,
      );
    },
  };
}

async function remember<T extends object>(
  kept: Map<string, T & { readonly until: number }>,
  key: string,
  now: number,
  find: () => Promise<T>,
): Promise<T> {
  const known = kept.get(key);
  if (known !== undefined && known.until > now) return known;
  const found = { ...(await find()), until: now + keptMs };
  kept.delete(key);
  kept.set(key, found);
  const [oldest] = kept.keys();
  if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
  return found;
}

/** Who the client certificate says, if the client authority signed it. */
function certificateUser(request: IncomingMessage): UserInfo | undefined {
  const socket = request.socket as Partial<TLSSocket>;
  if (socket.authorized !== true || socket.getPeerCertificate === undefined) return undefined;
  const { subject } = socket.getPeerCertificate();
  if (subject?.CN === undefined) return undefined;
  const organizations = subject.O === undefined ? [] : [subject.O].flat();
  const [name = ''] = [subject.CN].flat();
  return { name, groups: [...organizations, 'system:authenticated'] };
}

function verbOf(method: string): string {
  const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
  return verbs[method] ?? 'get';
}

/** Under which subresource of the node a path is guarded. */
function subresourceOf(path: string): string {
  const [, first = ''] = path.split('?')[0]?.split('/') ?? [];
  if (first === 'stats' || first === 'metrics') return first;
  if (first === 'healthz' || first === 'pods') return first;
  return 'proxy';
}

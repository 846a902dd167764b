import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { type FieldError, invalid as invalidField } from '../../kube/field-error.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import { nodes, pods, secrets, serviceaccounts } from '../../kube/resources.gen.ts';
import { formatTime } from '../../kube/time.ts';
import type { BoundObjectReference, Secret, ServiceAccount, TokenRequest } from '../../kube/types.gen.ts';
import { badRequest, conflict, invalid, notFound } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import { type SigningKey, signJwt } from './jwt.ts';
import { encodeClaims, encodeLegacyClaims, type ObjectRef } from './service-account-claims.ts';

export interface TokenIssuerOptions {
  readonly issuer: string;
  /** Audiences of a request that names none. */
  readonly apiAudiences: readonly string[];
  readonly key: SigningKey;
  readonly reader: ClusterReader;
  readonly clock: Clock;
}

const defaultSeconds = 3600;
const minSeconds = 600;
const maxSeconds = 2 ** 32;
/**
 * A pod's default volume asks for this odd lifetime. Such a token really lives a year, for clients that never read the
 * file again, but carries `warnafter` so that they can be told (KEP-1205).
 */
export const defaultVolumeSeconds = 3607;
const extendedSeconds = 365 * 24 * 3600;

interface Bindings {
  readonly pod?: ObjectRef;
  readonly node?: ObjectRef;
  readonly secret?: ObjectRef;
}

/** Makes tokens: POST to serviceaccounts/NAME/token (authentication.k8s.io/v1 TokenRequest). */
export class TokenIssuer {
  private readonly options: TokenIssuerOptions;

  constructor(options: TokenIssuerOptions) {
    this.options = options;
  }

  /**
   * Checks the request and answers it with `status` filled in. `body` has been decoded and defaulted. Throws StatusError:
   * Invalid, NotFound (account or bound object), Conflict (its uid is another), BadRequest (it can't be bound to).
   */
  create(namespace: string, name: string, body: TokenRequest): object {
    const { reader, clock, apiAudiences, issuer, key } = this.options;
    const account = reader.get(serviceaccounts, { namespace, name });
    if (account === undefined) throw notFound(serviceaccounts, name);
    const spec = body.spec ?? {};
    const seconds = spec.expirationSeconds ?? defaultSeconds;
    this.validate(namespace, name, body, seconds);
    const now = Math.floor(clock.now() / 1000);
    const bound = this.bindings(namespace, name, spec.boundObjectRef);
    const audiences = spec.audiences === undefined || spec.audiences.length === 0 ? apiAudiences : spec.audiences;
    const extended =
      bound.pod !== undefined && seconds === defaultVolumeSeconds && sameMembers(audiences, apiAudiences);
    const expires = now + (extended ? extendedSeconds : seconds);
    const token = signJwt(
      encodeClaims(
        {
          namespace,
          serviceAccount: { name, uid: account.metadata.uid ?? '' },
          ...bound,
          audiences,
          expires,
          notBefore: now,
          ...(extended && { warnAfter: now + seconds }),
          id: randomUUID(),
        },
        issuer,
        now,
      ),
      key,
    );
    const { uid, creationTimestamp } = account.metadata;
    return {
      ...body,
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {
        ...body.metadata,
        name,
        namespace,
        ...(uid && { uid }),
        ...(creationTimestamp && { creationTimestamp }),
      },
      // An absent reference is written as null.
      spec: { audiences, expirationSeconds: seconds, boundObjectRef: spec.boundObjectRef ?? null },
      // The client sees the time that it asked for, and renews by it.
      status: { token, expirationTimestamp: formatTime((now + seconds) * 1000) },
    };
  }

  /** A token without an end, for a Secret of type kubernetes.io/service-account-token; it holds while the Secret holds it. */
  secretToken(account: ServiceAccount, secret: Secret): string {
    const { namespace = '', name = '', uid = '' } = account.metadata;
    return signJwt(encodeLegacyClaims(namespace, { name, uid }, secret.metadata.name ?? ''), this.options.key);
  }

  private validate(namespace: string, name: string, body: TokenRequest, seconds: number): void {
    const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
    const given = body.metadata?.name ?? '';
    const errors: FieldError[] = [];
    if (given !== '' && given !== name) {
      errors.push(invalidField('metadata.name', given, 'must match the service account name if specified'));
    }
    const space = body.metadata?.namespace ?? '';
    if (space !== '' && space !== namespace) {
      errors.push(invalidField('metadata.namespace', space, 'must match the service account namespace if specified'));
    }
    if (errors.length > 0) throw invalid(kind, name, errors);
    const path = 'spec.expirationSeconds';
    if (seconds < minSeconds) {
      throw invalid(kind, '', [invalidField(path, seconds, 'may not specify a duration less than 10 minutes')]);
    }
    if (seconds > maxSeconds) {
      throw invalid(kind, '', [invalidField(path, seconds, 'may not specify a duration larger than 2^32 seconds')]);
    }
  }

  private bindings(namespace: string, account: string, ref: BoundObjectReference | undefined | null): Bindings {
    if (ref === undefined || ref === null) return {};
    const { kind = '', apiVersion = '' } = ref;
    if (apiVersion === 'v1' && kind === 'Pod') {
      const pod = this.bound(pods, namespace, ref);
      if (pod.spec?.serviceAccountName !== account) {
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      }
      const nodeName = pod.spec.nodeName ?? '';
      const node = nodeName === '' ? undefined : this.options.reader.get(nodes, { name: nodeName });
      // A node that is gone is named without its uid, as upstream does.
      return { pod: refOf(pod), ...(nodeName !== '' && { node: { name: nodeName, uid: node?.metadata.uid ?? '' } }) };
    }
    if (apiVersion === 'v1' && kind === 'Node') return { node: refOf(this.bound(nodes, '', ref)) };
    if (apiVersion === 'v1' && kind === 'Secret') return { secret: refOf(this.bound(secrets, namespace, ref)) };
    const slash = apiVersion.indexOf('/');
    const [group, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
  }

  private bound<T extends KubeObject>(resource: Resource<T>, namespace: string, ref: BoundObjectReference): T {
    const { name = '', uid = '' } = ref;
    const object = this.options.reader.get(resource, namespace === '' ? { name } : { namespace, name });
    if (object === undefined) throw notFound(resource, name);
    if (uid !== '' && uid !== object.metadata.uid) {
      const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
      throw conflict({ group: resource.group, plural: resource.kind }, name, why);
    }
    return object;
  }
}

function refOf(object: KubeObject): ObjectRef {
  return { name: object.metadata.name ?? '', uid: object.metadata.uid ?? '' };
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}

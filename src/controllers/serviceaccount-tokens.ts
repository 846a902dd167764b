import { keyOf } from '../kube/resource.ts';
import { secrets, serviceaccounts } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import type { Secret, ServiceAccount } from '../kube/types.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Informers,
  type Outcome,
  watchOf,
} from '../runtime/controller.ts';
import { isEqual } from './support/equality.ts';
import { nameOf } from './support/ownership.ts';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

export interface ServiceAccountTokensOptions {
  /** PEM of the API server's authority. */
  readonly rootCaPem: string;
  /** A token without an end, for a Secret that asks for one. */
  readonly sign: (account: ServiceAccount, secret: Secret) => Promise<string>;
}

const byAccount = (secret: Secret): readonly string[] => {
  const name = secret.metadata.annotations?.[nameAnnotation];
  return secret.type === tokenType && name !== undefined ? [`${secret.metadata.namespace}/${name}`] : [];
};
const options = { indexes: { account: byAccount } };

function secretKeys(account: ServiceAccount, informers: Informers): readonly string[] {
  return informers.of(secrets, options).byIndex('account', keyOf(account)).map(keyOf);
}

/** Fills Secrets of type service-account-token, and removes those whose account is gone. */
export function createServiceAccountTokensController(given: ServiceAccountTokensOptions): Controller {
  async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, client } = context;
    const secret = informers.of(secrets, options).get(key);
    const name = secret?.metadata.annotations?.[nameAnnotation];
    if (secret?.type !== tokenType || name === undefined || secret.metadata.deletionTimestamp !== undefined)
      return done;
    const account = await liveAccount(context, secret.metadata.namespace ?? '', name);
    const uid = secret.metadata.annotations?.[uidAnnotation];
    if (!account || (uid !== undefined && uid !== account.metadata.uid)) {
      await remove(context, secret);
      return done;
    }
    const encode = (text: string) => Buffer.from(text).toString('base64');
    const data = {
      ...secret.data,
      'ca.crt': encode(given.rootCaPem),
      namespace: encode(secret.metadata.namespace ?? ''),
      token: secret.data?.['token'] ?? encode(await given.sign(account, secret)),
    };
    const annotations = { ...secret.metadata.annotations, [uidAnnotation]: account.metadata.uid ?? '' };
    const wanted: Secret = { ...secret, metadata: { ...secret.metadata, annotations }, data };
    if (!isEqual(wanted, secret)) await client.update(secrets, wanted);
    return done;
  }

  return {
    name: 'tokens-controller',
    watches: [watchOf(secrets, (secret) => [keyOf(secret)], options), watchOf(serviceaccounts, secretKeys)],
    reconcile,
  };
}

/** The account; a cache that is behind must not cost anybody a credential, so absence is verified. */
async function liveAccount({ informers, client }: ControllerContext, namespace: string, name: string) {
  const cached = informers.of(serviceaccounts).get(`${namespace}/${name}`);
  if (cached) return cached;
  try {
    return await client.get(serviceaccounts, { namespace, name });
  } catch (thrown) {
    if (isReason(thrown, 'NotFound')) return undefined;
    throw thrown;
  }
}

async function remove({ client }: ControllerContext, secret: Secret): Promise<void> {
  const { uid } = secret.metadata;
  try {
    await client.delete(secrets, nameOf(secret), uid === undefined ? {} : { preconditions: { uid } });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound', 'Conflict')) throw thrown;
  }
}

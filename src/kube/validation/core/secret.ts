import { type FieldError, invalid, required, tooLong } from '../../field-error.ts';
import { goJsonSyntaxError } from '../../go-json-syntax.ts';
import type { Secret } from '../../types.gen.ts';
import { configMapKey, type Errors, entriesOf, immutable } from '../common.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { base64Bytes, dataBytesMax, immutableParts } from './config-map.ts';

export function validateSecret(secret: Secret): readonly FieldError[] {
  return [...createErrors(secret)];
}

function* createErrors(secret: Secret): Errors {
  let bytes = 0;
  for (const [key, value] of entriesOf(secret.data)) {
    yield* configMapKey(key, `data[${key}]`);
    bytes += base64Bytes(value);
  }
  if (bytes > dataBytesMax) yield tooLong('data', dataBytesMax);
  yield* typeErrors(secret);
}

const serviceAccountName = 'kubernetes.io/service-account.name';

function* typeErrors({ type, data = {}, metadata }: Secret): Errors {
  switch (type) {
    case 'kubernetes.io/service-account-token':
      if ((metadata.annotations?.[serviceAccountName] ?? '') === '') {
        yield required(`metadata.annotations[${serviceAccountName}]`);
      }
      return;
    case 'kubernetes.io/dockercfg':
      yield* jsonKey(data['.dockercfg'], 'data[.dockercfg]');
      return;
    case 'kubernetes.io/dockerconfigjson':
      yield* jsonKey(data['.dockerconfigjson'], 'data[.dockerconfigjson]');
      return;
    case 'kubernetes.io/basic-auth':
      if (data['username'] !== undefined || data['password'] !== undefined) return;
      yield required('data[username]');
      yield required('data[password]');
      return;
    case 'kubernetes.io/ssh-auth':
      if ((data['ssh-privatekey'] ?? '') === '') yield required('data[ssh-privatekey]');
      return;
    case 'kubernetes.io/tls':
      if (data['tls.crt'] === undefined) yield required('data[tls.crt]');
      if (data['tls.key'] === undefined) yield required('data[tls.key]');
      return;
    default:
  }
}

function* jsonKey(value: string | undefined, field: string): Errors {
  if (value === undefined) {
    yield required(field);
    return;
  }
  const problem = goJsonSyntaxError(Buffer.from(value, 'base64').toString());
  if (problem !== undefined) yield invalid(field, '<secret contents redacted>', problem);
}

export function validateSecretUpdate(secret: Secret, old: Secret): readonly FieldError[] {
  return [...updateErrors(secret, old)];
}

function* updateErrors(secret: Secret, old: Secret): Errors {
  yield* validateMetaUpdateOfKind(secret.metadata, old.metadata);
  yield* immutable(secret.type ?? '', old.type ?? '', 'type');
  yield* immutableParts(secret, old, ['data']);
  yield* validateObjectMeta(secret.metadata, { namespaced: true });
  yield* createErrors(secret);
}

import { invalid, required } from '../../../field-error.ts';
import { isRelaxedEnvVarName, nameIsDnsSubdomain } from '../../../names.ts';
import type { EnvFromSource, EnvVar, FileKeySelector } from '../../../types.gen.ts';
import { configMapKey, dnsLabel, type Errors, each, localDescendingPath } from '../../common.ts';
import { validateFieldSelector, validateResourceSelector } from './field-selectors.ts';

const fieldsOfVariables: readonly string[] = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

export function* validateEnv(variables: readonly EnvVar[], field: string): Errors {
  for (const [index, variable] of variables.entries()) {
    const path = `${field}[${index}]`;
    const { name = '' } = variable;
    if (name === '') yield required(`${path}.name`);
    else yield* each(isRelaxedEnvVarName(name), `${path}.name`, name);
    yield* validateValueFrom(variable, `${path}.valueFrom`);
  }
}

function* validateValueFrom({ value = '', valueFrom }: EnvVar, field: string): Errors {
  if (valueFrom === undefined) return;
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  if (fieldRef !== undefined) yield* validateFieldSelector(fieldRef, fieldsOfVariables, `${field}.fieldRef`);
  if (resourceFieldRef !== undefined) {
    yield* validateResourceSelector(resourceFieldRef, `${field}.resourceFieldRef`, false);
  }
  if (configMapKeyRef !== undefined) yield* keyOfObject(configMapKeyRef, `${field}.configMapKeyRef`);
  if (secretKeyRef !== undefined) yield* keyOfObject(secretKeyRef, `${field}.secretKeyRef`);
  if (fileKeyRef !== undefined) yield* keyOfFile(fileKeyRef, `${field}.fileKeyRef`);
  const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef];
  const count = sources.filter((source) => source !== undefined).length;
  if (count === 0) {
    const names = '`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
    yield invalid(field, '', `must specify one of: ${names}`);
  } else if (value !== '') yield invalid(field, '', 'may not be specified when `value` is not empty');
  else if (count > 1) yield invalid(field, '', 'may not have more than one field specified at a time');
}

function* keyOfObject(selector: { readonly name?: string; readonly key: string }, field: string): Errors {
  const { name = '', key = '' } = selector;
  yield* each(nameIsDnsSubdomain(name, false), `${field}.name`, name);
  if (key === '') yield required(`${field}.key`);
  else yield* configMapKey(key, `${field}.key`);
}

function* keyOfFile({ volumeName = '', path = '', key = '' }: FileKeySelector, field: string): Errors {
  if (key === '') yield required(`${field}.key`);
  else yield* each(isRelaxedEnvVarName(key), `${field}.key`, key);
  if (volumeName === '') yield required(`${field}.volumeName`);
  else yield* dnsLabel(volumeName, `${field}.volumeName`);
  if (path === '') yield required(`${field}.path`);
  else yield* localDescendingPath(path, `${field}.path`);
}

export function* validateEnvFrom(sources: readonly EnvFromSource[], field: string): Errors {
  for (const [index, { prefix = '', configMapRef, secretRef }] of sources.entries()) {
    const path = `${field}[${index}]`;
    if (prefix !== '') yield* each(isRelaxedEnvVarName(prefix), `${path}.prefix`, prefix);
    if (configMapRef !== undefined) yield* nameOfSource(configMapRef.name ?? '', `${path}.configMapRef.name`);
    if (secretRef !== undefined) yield* nameOfSource(secretRef.name ?? '', `${path}.secretRef.name`);
    if (configMapRef === undefined && secretRef === undefined) {
      yield invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`');
    } else if (configMapRef !== undefined && secretRef !== undefined) {
      yield invalid(field, '', 'may not have more than one field specified at a time');
    }
  }
}

function* nameOfSource(name: string, field: string): Errors {
  if (name === '') yield required(field);
  else yield* each(nameIsDnsSubdomain(name, true), field, name);
}

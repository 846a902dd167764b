import { duplicate, type FieldError, forbidden, invalid, required } from '../../field-error.ts';
import { isDualStack, parseCidr } from '../../ip.ts';
import { isLabelValue, nameIsDnsSubdomain } from '../../names.ts';
import { parseQuantity } from '../../quantity.ts';
import type { ConfigMapNodeConfigSource, Node, NodeConfigSource, Taint } from '../../types.gen.ts';
import { validateCidr } from '../addresses.ts';
import { configMapKey, dnsSubdomain, type Errors, entriesOf, namespaceName, qualifiedName } from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { validateResourceQuantity } from '../resources.ts';
import { validateTaintEffect } from './pod/scheduling.ts';

export function validateNode(node: Node): readonly FieldError[] {
  return [...createErrors(node)];
}

function* createErrors(node: Node): Errors {
  yield* validateTaints(node.spec?.taints ?? [], 'metadata.taints');
  yield* validateNodeResources(node);
  yield* validatePodCidrs(node.spec?.podCIDRs ?? [], 'spec.podCIDRs');
}

/** Taints, of which each key has one for an effect. Upstream says `metadata.taints` for those of the spec. */
function* validateTaints(taints: readonly Taint[], field: string): Errors {
  const seen = new Set<string>();
  for (const [index, taint] of taints.entries()) {
    const path = `${field}[${index}]`;
    const { key = '', value = '', effect = '' } = taint;
    yield* qualifiedName(key, `${path}.key`);
    const problems = isLabelValue(value);
    if (problems.length > 0) yield invalid(`${path}.value`, value, problems.join(';'));
    if (effect === '') yield required(`${path}.effect`);
    else yield* validateTaintEffect(effect, `${path}.effect`);
    if (seen.has(`${effect}/${key}`)) {
      yield duplicate(path, internalForm('Taint', taint), 'taints must be unique by key and effect pair');
    }
    seen.add(`${effect}/${key}`);
  }
}

function* validateNodeResources({ status }: Node): Errors {
  for (const list of ['capacity', 'allocatable'] as const) {
    for (const [name, text] of entriesOf(status?.[list])) {
      yield* validateResourceQuantity(name, parseQuantity(text), `status.${list}.${name}`);
    }
  }
}

function* validatePodCidrs(prefixes: readonly string[], field: string): Errors {
  for (const [index, prefix] of prefixes.entries()) yield* validateCidr(prefix, `${field}[${index}]`);
  if (prefixes.length < 2) return;
  if (!isDualStack(prefixes.map((prefix) => parseCidr(prefix)?.address)) || prefixes.length > 2) {
    yield invalid(field, prefixes, 'may specify no more than one CIDR for each IP family');
  }
}

export function validateNodeUpdate(node: Node, old: Node): readonly FieldError[] {
  return [
    ...validateObjectMeta(node.metadata, { namespaced: false, validateName: nameIsDnsSubdomain }),
    ...createErrors(node),
    ...updateErrors(node, old),
  ];
}

/** The status endpoint, which upstream checks as it checks the main one, once. */
export function validateNodeStatusUpdate(node: Node, old: Node): readonly FieldError[] {
  return [...updateErrors(node, old)];
}

function* updateErrors(node: Node, old: Node): Errors {
  const { spec = {}, status = {} } = node;
  yield* validateMetaUpdateOfKind(node.metadata, old.metadata);
  yield* validateNodeResources(node);
  const addresses = new Set<string>();
  for (const [index, address] of (status.addresses ?? []).entries()) {
    const key = `${address.type}/${address.address}`;
    if (addresses.has(key)) yield duplicate(`status.addresses[${index}]`, internalForm('NodeAddress', address));
    addresses.add(key);
  }
  yield* keptOnceSet(node, old);
  if (spec.configSource !== undefined) yield* validateConfigSource(spec.configSource, 'spec.configSource', false);
  for (const name of ['assigned', 'active', 'lastKnownGood'] as const) {
    const source = status.config?.[name];
    if (source !== undefined) yield* validateConfigSource(source, `status.config.${name}`, true);
  }
  yield* validateTaints(spec.taints ?? [], 'metadata.taints');
  if ((spec.externalID ?? '') !== (old.spec?.externalID ?? ''))
    yield forbidden('spec.externalID', 'may not be updated');
}

function* keptOnceSet({ spec = {} }: Node, { spec: old = {} }: Node): Errors {
  const prefixes = spec.podCIDRs ?? [];
  const before = old.podCIDRs ?? [];
  const detail = 'node updates may not change podCIDR except from "" to valid';
  if (before.length > 0 && before.length !== prefixes.length) yield forbidden('spec.podCIDRs', detail);
  else {
    for (const [index, prefix] of before.entries()) {
      if (prefix !== prefixes[index]) yield forbidden('spec.podCIDRs', detail);
    }
  }
  if ((old.providerID ?? '') !== '' && old.providerID !== spec.providerID) {
    yield forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
  }
}

function* validateConfigSource(source: NodeConfigSource, field: string, inStatus: boolean): Errors {
  const { configMap } = source;
  if (configMap === undefined) {
    const form = internalForm('NodeConfigSource', source);
    yield invalid(field, form, 'exactly one reference subfield must be non-nil');
    return;
  }
  const path = `${field}.configMap`;
  for (const name of ['uid', 'resourceVersion'] as const) {
    const isSet = (configMap[name] ?? '') !== '';
    if (isSet && !inStatus) yield forbidden(`${path}.${name}`, `${name} must not be set in spec`);
    if (!isSet && inStatus) yield required(`${path}.${name}`, `${name} must be set in status`);
  }
  yield* validateConfigMapSource(configMap, path);
}

function* validateConfigMapSource(
  { namespace = '', name = '', kubeletConfigKey: key = '' }: ConfigMapNodeConfigSource,
  field: string,
): Errors {
  if (namespace === '') yield required(`${field}.namespace`, 'namespace must be set');
  else yield* namespaceName(namespace, `${field}.namespace`);
  if (name === '') yield required(`${field}.name`, 'name must be set');
  else yield* dnsSubdomain(name, `${field}.name`);
  if (key === '') yield required(`${field}.kubeletConfigKey`, 'kubeletConfigKey must be set');
  else yield* configMapKey(key, `${field}.kubeletConfigKey`);
}

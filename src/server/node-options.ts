import { isLabelValue, isQualifiedName } from '../kube/names.ts';
import type { Taint } from '../kube/types.gen.ts';
import { bad, flag, integer, list, type RawOptions, text } from './option-values.ts';

/** What a user may say of a node, beside its network. */
export interface NodeSettings {
  /** Whether a part that no other machine has is added to the name. */
  readonly withNodeId: boolean;
  /** Given to the Node object at each start. */
  readonly nodeLabels: Readonly<Record<string, string>>;
  /** Given to the Node object when it is made. */
  readonly nodeTaints: readonly Taint[];
  /** The resolv.conf(5) of pods that use the node's name servers, and of the cluster DNS; the machine's own when absent. */
  readonly resolvConf: string | undefined;
  /** How many pods the node may run; 110 when absent. */
  readonly podsMax: number | undefined;
}

/** Throws WherryError INVALID_OPTION. */
export function resolveNodeSettings(raw: RawOptions): NodeSettings {
  return {
    withNodeId: flag(raw, 'with-node-id'),
    nodeLabels: Object.fromEntries(list(raw, 'node-label').map(labelOf)),
    nodeTaints: list(raw, 'node-taint').map(taintOf),
    resolvConf: text(raw, 'resolv-conf'),
    podsMax: podsMaxOf(raw),
  };
}

/** Labels of Kubernetes' own that a node may give itself (NodeRestriction). */
const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.kubernetes.io/region',
  'failure-domain.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const ownPrefixes = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const reserved = ['kubernetes.io', 'k8s.io'];
const isBelow = (domain: string, parent: string) => domain === parent || domain.endsWith(`.${parent}`);

function labelOf(label: string): readonly [string, string] {
  const [key = '', value = '', ...more] = label.split('=');
  const wrong = more.length > 0 ? ['it has more than one ='] : [...isQualifiedName(key), ...isLabelValue(value)];
  if (wrong[0] !== undefined)
    throw bad('node-label', `${JSON.stringify(label)} is no label: ${wrong[0]}`, 'write KEY=VALUE');
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  const isReserved = reserved.some((one) => isBelow(domain, one));
  if (isReserved && !ownLabels.has(key) && !ownPrefixes.some((one) => isBelow(domain, one))) {
    throw bad(
      'node-label',
      `a node may not give itself the label ${key}`,
      `set it with kubectl label node, or use a name below ${ownPrefixes.join(' or ')}`,
    );
  }
  return [key, value];
}

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

function taintOf(given: string): Taint {
  const [, key = '', value, effect = ''] = /^([^=:]*)(?:=([^:]*))?:(.*)$/.exec(given) ?? [];
  const wrong = [...isQualifiedName(key), ...isLabelValue(value ?? '')];
  if (wrong[0] !== undefined || !effects.includes(effect)) {
    const why = wrong[0] ?? `its effect is none of ${effects.join(', ')}`;
    throw bad('node-taint', `${JSON.stringify(given)} is no taint: ${why}`, 'write KEY=VALUE:EFFECT or KEY:EFFECT');
  }
  return { key, ...(value === undefined || value === '' ? {} : { value }), effect };
}

/** Of the kubelet's flags those that mean something here. */
function podsMaxOf(raw: RawOptions): number | undefined {
  let podsMax: number | undefined;
  for (const argument of list(raw, 'kubelet-arg')) {
    const [name = '', value = ''] = argument.replace(/^--/, '').split('=');
    if (name !== 'max-pods')
      throw bad(
        'kubelet-arg',
        `${JSON.stringify(name)} has no meaning here`,
        'use max-pods=NUMBER, or the flags of wherry',
      );
    podsMax = integer({ 'kubelet-arg': value }, 'kubelet-arg', 1, podsMaxLimit);
  }
  return podsMax;
}

/** A node's range of addresses, a /24, holds fewer; a larger number makes sense with a larger range. */
const podsMaxLimit = 65_536;

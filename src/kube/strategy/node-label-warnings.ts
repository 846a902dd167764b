import type { NodeSelector, NodeSelectorTerm } from '../types.gen.ts';

/** Labels of nodes that were replaced, and what to say of them. */
const replaced: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

export function replacedLabel(key: string): string | undefined {
  return Object.hasOwn(replaced, key) ? replaced[key] : undefined;
}

export function nodeSelectorWarnings(selector: NodeSelector | undefined, path: string): readonly string[] {
  const terms = selector?.nodeSelectorTerms ?? [];
  return terms.flatMap((term, index) => nodeSelectorTermWarnings(term, `${path}[${index}]`));
}

export function nodeSelectorTermWarnings(term: NodeSelectorTerm | undefined, path: string): readonly string[] {
  return (term?.matchExpressions ?? []).flatMap(({ key }, index) => {
    const message = replacedLabel(key);
    return message === undefined ? [] : [`${path}.matchExpressions[${index}].key: ${key} is ${message}`];
  });
}

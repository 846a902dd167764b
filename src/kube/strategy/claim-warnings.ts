import { parseQuantity, quantityMilliValue } from '../quantity.ts';
import type { PersistentVolumeClaimSpec } from '../types.gen.ts';

type ResourceList = Readonly<Record<string, string>>;

/** Says so when a resource that is counted in bytes has a fraction of one. */
export function fractionalBytes(
  resources: ResourceList | undefined,
  names: readonly string[],
  path: string,
): readonly string[] {
  return names.flatMap((name) => {
    const text = resources?.[name];
    if (text === undefined || quantityMilliValue(parseQuantity(text)) % 1000 === 0) return [];
    return [`${path}[${name}]: fractional byte value ${JSON.stringify(text)} is invalid, must be an integer`];
  });
}

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** Of a claim's spec, wherever it stands. */
export function claimSpecWarnings(spec: PersistentVolumeClaimSpec | undefined, path: string): readonly string[] {
  return [
    ...fractionalBytes(spec?.resources?.requests, ['storage'], `${path}.resources.requests`),
    ...fractionalBytes(spec?.resources?.limits, ['storage'], `${path}.resources.limits`),
  ];
}

/** The class as an annotation, which came before the field. */
export function classAnnotationWarnings(
  annotations: Readonly<Record<string, string>> | undefined,
  path = 'metadata.annotations',
): readonly string[] {
  if (annotations?.[classAnnotation] === undefined) return [];
  return [`${path}[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`];
}

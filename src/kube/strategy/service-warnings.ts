import type { Service } from '../types.gen.ts';

/** Fields and values of a Service that are on their way out. */
export function serviceWarnings({ spec }: Service, _old: Service | null): readonly string[] {
  const warnings: string[] = [];
  if ((spec?.externalIPs ?? []).length > 0) {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  }
  if (spec?.trafficDistribution === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  }
  return warnings;
}

import { type FieldError, invalid } from '../../kube/field-error.ts';
import type { ServiceSpec } from '../../kube/types.gen.ts';
import { isHeadless, validateServiceClusterIps } from '../../kube/validation/core/service-addresses.ts';
import { type IpFamily, parseAddress } from './address-range.ts';

type Spec = { -readonly [K in keyof ServiceSpec]: ServiceSpec[K] };

/**
 * Settles the address families of a Service and what it may want of them (KEP-563), before addresses are allocated.
 * Fills in what the client left out. `configured` are the cluster's families, the primary one first; `old` is what
 * stands, absent for a creation. Returns what is wrong, in upstream's order and words.
 */
export function settleFamilies(
  spec: Spec,
  old: ServiceSpec | undefined,
  configured: readonly IpFamily[],
): readonly FieldError[] {
  if (spec.type === 'ExternalName') return [];
  // Old clients know one address only.
  if (spec.clusterIP && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [spec.clusterIP];
  // A Service that prefers both families is not touched because the cluster has got, or lost, its second one.
  if (old !== undefined && isSettledPreference(spec, old)) return [];
  const malformed = [...validateServiceClusterIps(spec)];
  if (malformed.length > 0) return malformed;
  const families = [...(spec.ipFamilies ?? [])];
  const unknown = inferFamilies(spec, families, configured);
  if (unknown.length > 0) return unknown;
  const primary = configured[0] ?? 'IPv4';
  if (isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0) {
    settleSelectorless(spec, families, primary);
    return [];
  }
  spec.ipFamilyPolicy ??= 'SingleStack';
  const errors = refusals(spec, families, configured);
  if (errors.length > 0) return errors;
  if (families.length === 0) families.push(primary);
  if (spec.ipFamilyPolicy !== 'SingleStack' && families.length === 1) {
    const second = configured.find((family) => family !== families[0]);
    if (second !== undefined) families.push(second);
  }
  spec.ipFamilies = families;
  return [];
}

function isSettledPreference(spec: Spec, old: ServiceSpec): boolean {
  const same = (a: readonly string[] = [], b: readonly string[] = []) => a.join() === b.join();
  const prefers = spec.ipFamilyPolicy === 'PreferDualStack' && old.ipFamilyPolicy === 'PreferDualStack';
  if (!prefers || old.type === 'ExternalName' || (spec.ipFamilies ?? []).length === 0) return false;
  return same(spec.clusterIPs, old.clusterIPs) && same(spec.ipFamilies, old.ipFamilies);
}

/** Families that only the given addresses tell. */
function inferFamilies(spec: Spec, families: string[], configured: readonly IpFamily[]): readonly FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip === 'None') break;
    const family = parseAddress(ip)?.family;
    if (family === undefined || index < families.length) continue;
    if (configured.includes(family)) families.push(family);
    else {
      const why = `${family} is not configured on this cluster`;
      errors.push(invalid(`spec.clusterIPs[${index}]`, spec.clusterIPs ?? [], why));
    }
  }
  return errors;
}

/** Endpoints that somebody else keeps may be of any family, also of one that the cluster does not have. */
function settleSelectorless(spec: Spec, families: string[], primary: IpFamily): void {
  if (families.length === 0) families.push(primary);
  if (families.length < 2 && spec.ipFamilyPolicy !== 'SingleStack') families.push(otherOf(families[0]));
  spec.ipFamilyPolicy ??= families.length === 2 ? 'RequireDualStack' : 'SingleStack';
  spec.ipFamilies = families;
}

function refusals(spec: Spec, families: readonly string[], configured: readonly IpFamily[]): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { ipFamilyPolicy: policy = '' } = spec;
  const field = 'spec.ipFamilyPolicy';
  if (policy === 'SingleStack') {
    const what = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
    if ((spec.clusterIPs ?? []).length === 2) errors.push(invalid(field, policy, `${what} cluster IPs are specified`));
    if (families.length === 2) errors.push(invalid(field, policy, `${what} IP families are specified`));
    if (errors.length > 0) return errors;
  }
  if (policy === 'RequireDualStack' && configured.length < 2) {
    errors.push(invalid(field, policy, 'this cluster is not configured for dual-stack services'));
  }
  for (const [index, family] of families.entries()) {
    if (configured.some((one) => one === family)) continue;
    errors.push(invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  }
  return errors;
}

function otherOf(family: string | undefined): IpFamily {
  return family === 'IPv6' ? 'IPv4' : 'IPv6';
}

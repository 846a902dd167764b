import { duplicate, invalid, notSupported, required } from '../../field-error.ts';
import { isDualStack, parseIp } from '../../ip.ts';
import type { ServiceSpec } from '../../types.gen.ts';
import { validateIp } from '../addresses.ts';
import { type Errors, supportedValue } from '../common.ts';

const families: readonly string[] = ['IPv4', 'IPv6'];
const familyPolicies: readonly string[] = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

/** A Service whose name leads to its endpoints and not to an address of its own. */
export function isHeadless({ clusterIPs = [] }: ServiceSpec): boolean {
  return clusterIPs.length === 1 && clusterIPs[0] === 'None';
}

/** Cluster addresses and their families. The allocator checks the same before it allocates anything. */
export function* validateServiceClusterIps(spec: ServiceSpec): Errors {
  if (spec.type === 'ExternalName') return;
  const { clusterIP = '', clusterIPs = [] } = spec;
  if (clusterIP !== '') {
    if (clusterIPs.length === 0) yield required('spec.clusterIPs');
    else if (clusterIPs[0] !== clusterIP) {
      yield invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`');
    }
  } else if (clusterIPs.length > 0) {
    yield invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified');
  }
  yield* validateFamilies(spec);
  yield* supportedValue(spec.ipFamilyPolicy, familyPolicies, 'spec.ipFamilyPolicy');
  const malformed = yield* validateAddresses(clusterIPs);
  if (!malformed) yield* validatePairs(spec);
}

function* validateFamilies({ ipFamilies = [] }: ServiceSpec): Errors {
  for (const [index, family] of ipFamilies.entries()) {
    const path = `spec.ipFamilies[${index}]`;
    if (!families.includes(family)) yield notSupported(path, family, families);
    if (ipFamilies.indexOf(family) < index) yield duplicate(path, family);
  }
}

/** True when an address is malformed, so that families can't be compared. */
function* validateAddresses(addresses: readonly string[]) {
  let malformed = false;
  for (const [index, address] of addresses.entries()) {
    if (index === 0 && address === 'None') {
      if (addresses.length === 1) continue;
      malformed = true;
      yield invalid('spec.clusterIPs', addresses, "'None' must be the first and only value");
      continue;
    }
    const errors = [...validateIp(address, `spec.clusterIPs[${index}]`)];
    malformed ||= errors.length > 0;
    yield* errors;
  }
  if (addresses.length > 2) yield invalid('spec.clusterIPs', addresses, 'may only hold up to 2 values');
  return malformed;
}

function* validatePairs(spec: ServiceSpec): Errors {
  const { clusterIPs = [], ipFamilies = [] } = spec;
  if (clusterIPs.length > 1 && !isDualStack(clusterIPs.map(parseIp))) {
    yield invalid('spec.clusterIPs', clusterIPs, 'may specify no more than one IP for each IP family');
  }
  if (isHeadless(spec)) return;
  for (const [index, address] of clusterIPs.entries()) {
    const wanted = ipFamilies[index];
    const actual = `IPv${parseIp(address)?.family ?? 4}`;
    if (wanted === undefined || !families.includes(wanted) || wanted === actual) continue;
    const detail = `expected an ${wanted} value as indicated by \`ipFamilies[${index}]\``;
    yield invalid(`spec.clusterIPs[${index}]`, address, detail);
  }
}

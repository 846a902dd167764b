import { invalid, notSupported, required } from '../../../field-error.ts';
import { isDns1123SubdomainWithUnderscore } from '../../../names.ts';
import type { HostAlias, PodDNSConfig, PodSpec } from '../../../types.gen.ts';
import { validateIp } from '../../addresses.ts';
import { dnsSubdomain, type Errors, each } from '../../common.ts';

// What resolvers of libc take.
const nameserversMax = 3;
const searchesMax = 32;
const searchBytesMax = 2048;

const dnsPolicies: readonly string[] = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];

export function* validateDnsPolicy({ dnsPolicy: policy = '' }: PodSpec, field: string): Errors {
  if (policy === '') yield required(field);
  else if (!dnsPolicies.includes(policy)) yield notSupported(field, policy, dnsPolicies);
}

export function* validateDnsConfig({ dnsConfig: config, dnsPolicy }: PodSpec, field: string): Errors {
  if (dnsPolicy === 'None') {
    if (config === undefined) {
      yield required(field, 'must provide `dnsConfig` when `dnsPolicy` is None');
      return;
    }
    if ((config.nameservers ?? []).length === 0) {
      const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      yield required(`${field}.nameservers`, detail);
      return;
    }
  }
  if (config === undefined) return;
  yield* validateNameservers(config, field);
  yield* validateSearches(config, field);
  for (const [index, { name = '' }] of (config.options ?? []).entries()) {
    if (name === '') yield required(`${field}.options[${index}]`, 'must not be empty');
  }
}

function* validateNameservers({ nameservers = [] }: PodDNSConfig, field: string): Errors {
  const path = `${field}.nameservers`;
  if (nameservers.length > nameserversMax) {
    yield invalid(path, nameservers, `must not have more than ${nameserversMax} nameservers`);
  }
  for (const [index, address] of nameservers.entries()) yield* validateIp(address, `${path}[${index}]`);
}

function* validateSearches({ searches = [] }: PodDNSConfig, field: string): Errors {
  const path = `${field}.searches`;
  if (searches.length > searchesMax) {
    yield invalid(path, searches, `must not have more than ${searchesMax} search paths`);
  }
  if (Buffer.byteLength(searches.join(' ')) > searchBytesMax) {
    const detail = `must not have more than ${searchBytesMax} characters (including spaces) in the search list`;
    yield invalid(path, searches, detail);
  }
  for (const [index, search] of searches.entries()) {
    if (search === '.') continue;
    const name = search.endsWith('.') ? search.slice(0, -1) : search;
    yield* each(isDns1123SubdomainWithUnderscore(name), `${path}[${index}]`, name);
  }
}

export function* validateHostAliases(aliases: readonly HostAlias[], field: string): Errors {
  for (const [index, { ip = '', hostnames = [] }] of aliases.entries()) {
    yield* validateIp(ip, `${field}[${index}].ip`);
    for (const [position, name] of hostnames.entries()) {
      yield* dnsSubdomain(name, `${field}[${index}].hostnames[${position}]`);
    }
  }
}

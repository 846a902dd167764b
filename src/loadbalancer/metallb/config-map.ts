import { parse } from 'yaml';
import { describeError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { ConfigMap, LabelSelector } from '../../kube/types.gen.ts';
import type { Configuration, ConfigurationInput, Problem } from '../configuration.ts';
import { metallbNamespace } from './kinds.ts';
import type { BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement } from './types.ts';

/** The name of the ConfigMap in which MetalLB before 0.13 had its configuration. */
export const configMapName = 'config';

/** What the ConfigMap stands for, as objects of today's kinds, and what of it could not be read. */
export interface OlderConfiguration {
  readonly input: ConfigurationInput;
  readonly problems: readonly Problem[];
  /** Problems of these objects are told on the ConfigMap. */
  told(configuration: Configuration): Configuration;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads MetalLB's older configuration: `address-pools`, `peers`, `bgp-communities` and `bfd-profiles` in YAML under the key
 * `config`. Each pool is advertised by its own protocol, to all peers and from all nodes.
 */
export function readConfigMap(configMap: ConfigMap): OlderConfiguration {
  const problems: Problem[] = [];
  const wrong = (field: string, message: string) => problems.push({ object: configMap, field, message });
  const places = new Map<KubeObject, string>();
  const made = <T extends KubeObject>(object: T, place: string): T => {
    places.set(object, place);
    return object;
  };
  const metadata = (name: string) => ({
    ...{ name, namespace: metallbNamespace },
    ...(configMap.metadata.creationTimestamp === undefined
      ? {}
      : { creationTimestamp: configMap.metadata.creationTimestamp }),
  });
  const pools: IPAddressPool[] = [];
  const l2Advertisements: L2Advertisement[] = [];
  const bgpAdvertisements: BGPAdvertisement[] = [];
  const bgpPeers: BGPPeer[] = [];
  const communities: Community[] = [];
  const bfdProfiles: BFDProfile[] = [];
  const root = rootOf(configMap, wrong);
  const place = (list: string, index: number) => `data.config: ${list}[${index}]`;

  for (const [index, pool] of itemsOf(root, 'address-pools', wrong)) {
    const at = place('address-pools', index);
    const name = textOf(pool, 'name');
    const protocol = textOf(pool, 'protocol');
    if (name === undefined) wrong(`${at}.name`, 'the pool has no name');
    if (name === undefined) continue;
    if (protocol !== 'layer2' && protocol !== 'bgp') {
      wrong(
        `${at}.protocol`,
        `the protocol of the pool ${name} is layer2 or bgp, not ${JSON.stringify(pool['protocol'])}`,
      );
      continue;
    }
    const spec = {
      addresses: textsOf(pool, 'addresses'),
      autoAssign: pool['auto-assign'] !== false,
      avoidBuggyIPs: pool['avoid-buggy-ips'] === true,
    };
    pools.push(made({ apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata: metadata(name), spec }, at));
    const advertised = { apiVersion: 'metallb.io/v1beta1', metadata: metadata(name) };
    if (protocol === 'layer2') {
      l2Advertisements.push(made({ ...advertised, kind: 'L2Advertisement', spec: { ipAddressPools: [name] } }, at));
      continue;
    }
    const own = itemsOf(pool, 'bgp-advertisements', wrong);
    const advertisements = own.length > 0 ? own : [[0, {}] as const];
    for (const [number, fields] of advertisements) {
      bgpAdvertisements.push(
        made(
          {
            ...advertised,
            kind: 'BGPAdvertisement',
            spec: {
              ipAddressPools: [name],
              ...numberOf(fields, 'aggregation-length', 'aggregationLength'),
              ...numberOf(fields, 'aggregation-length-v6', 'aggregationLengthV6'),
              ...numberOf(fields, 'localpref', 'localPref'),
              communities: textsOf(fields, 'communities'),
            },
          },
          `${at}.bgp-advertisements[${number}]`,
        ),
      );
    }
  }
  for (const [index, peer] of itemsOf(root, 'peers', wrong)) {
    const at = place('peers', index);
    const name = textOf(peer, 'name') ?? `peer-${index}`;
    bgpPeers.push(
      made(
        {
          ...{ apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer', metadata: metadata(name) },
          spec: {
            myASN: Number(peer['my-asn'] ?? 0),
            ...numberOf(peer, 'peer-asn', 'peerASN'),
            ...numberOf(peer, 'peer-port', 'peerPort'),
            ...textMember(peer, 'peer-address', 'peerAddress'),
            ...textMember(peer, 'source-address', 'sourceAddress'),
            ...textMember(peer, 'hold-time', 'holdTime'),
            ...textMember(peer, 'keepalive-time', 'keepaliveTime'),
            ...textMember(peer, 'router-id', 'routerID'),
            ...textMember(peer, 'password', 'password'),
            ...textMember(peer, 'bfd-profile', 'bfdProfile'),
            ebgpMultiHop: peer['ebgp-multihop'] === true,
            nodeSelectors: itemsOf(peer, 'node-selectors', wrong).map(([, fields]) => selectorOf(fields)),
          },
        },
        at,
      ),
    );
  }
  for (const [index, fields] of itemsOf(root, 'bfd-profiles', wrong)) {
    bfdProfiles.push(
      made(
        {
          ...{ apiVersion: 'metallb.io/v1beta1', kind: 'BFDProfile', metadata: metadata(textOf(fields, 'name') ?? '') },
          spec: {
            ...numberOf(fields, 'receive-interval', 'receiveInterval'),
            ...numberOf(fields, 'transmit-interval', 'transmitInterval'),
            ...numberOf(fields, 'detect-multiplier', 'detectMultiplier'),
            ...numberOf(fields, 'echo-interval', 'echoInterval'),
            ...numberOf(fields, 'minimum-ttl', 'minimumTtl'),
            echoMode: fields['echo-mode'] === true,
            passiveMode: fields['passive-mode'] === true,
          },
        },
        place('bfd-profiles', index),
      ),
    );
  }
  const named = root['bgp-communities'];
  if (isObject(named)) {
    const entries = Object.entries(named).map(([name, value]) => ({ name, value: String(value) }));
    const community = { apiVersion: 'metallb.io/v1beta1', kind: 'Community', metadata: metadata('config') };
    communities.push(made({ ...community, spec: { communities: entries } }, 'data.config: bgp-communities'));
  }
  return {
    input: { pools, l2Advertisements, bgpAdvertisements, bgpPeers, bfdProfiles, communities },
    problems,
    told: (configuration) => ({
      ...configuration,
      problems: [
        ...problems,
        ...configuration.problems.map((problem) => {
          const from = places.get(problem.object);
          return from === undefined ? problem : { ...problem, object: configMap, field: `${from}: ${problem.field}` };
        }),
      ],
    }),
  };
}

function rootOf(configMap: ConfigMap, wrong: (field: string, message: string) => void): Fields {
  const text = configMap.data?.['config'];
  if (text === undefined) {
    wrong('data', 'there is no key "config"');
    return {};
  }
  try {
    const root: unknown = parse(text);
    if (isObject(root)) return root;
    wrong('data.config', 'it is no map with address-pools');
  } catch (error) {
    wrong('data.config', `it is no YAML: ${describeError(error)}`);
  }
  return {};
}

function itemsOf(
  fields: Fields,
  name: string,
  wrong: (field: string, message: string) => void,
): readonly (readonly [number, Fields])[] {
  const value = fields[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) {
    wrong(`data.config: ${name}`, 'it is no list');
    return [];
  }
  return value.flatMap((item: unknown, index) => {
    if (isObject(item)) return [[index, item] as const];
    wrong(`data.config: ${name}[${index}]`, 'it is no map');
    return [];
  });
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function textsOf(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  return Array.isArray(value) ? value.map(String) : [];
}

function textMember<K extends string>(fields: Fields, name: string, as: K): { readonly [P in K]?: string } {
  const value = textOf(fields, name);
  return (value === undefined ? {} : { [as]: value }) as { readonly [P in K]?: string };
}

function numberOf<K extends string>(fields: Fields, name: string, as: K): { readonly [P in K]?: number } {
  const value = fields[name];
  return (typeof value === 'number' ? { [as]: value } : {}) as { readonly [P in K]?: number };
}

function selectorOf(fields: Fields): LabelSelector {
  const labels = fields['match-labels'];
  const expressions = fields['match-expressions'];
  return {
    ...(isObject(labels)
      ? { matchLabels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])) }
      : {}),
    ...(Array.isArray(expressions)
      ? {
          matchExpressions: expressions.filter(isObject).map((one) => ({
            ...{ key: String(one['key']), operator: String(one['operator']), values: textsOf(one, 'values') },
          })),
        }
      : {}),
  };
}

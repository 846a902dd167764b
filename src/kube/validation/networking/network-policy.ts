import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { type IpPrefix, parseCidr } from '../../ip.ts';
import { isPortName } from '../../names.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../../types.gen.ts';
import { validateCidr } from '../addresses.ts';
import { type Errors, each, portNumber } from '../common.ts';
import { hasInvalidSelector, validateLabelSelector } from '../label-selector.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

const protocols = ['TCP', 'UDP', 'SCTP'];
const policyTypes = ['Ingress', 'Egress'];

export function validateNetworkPolicy({ spec }: NetworkPolicy): readonly FieldError[] {
  return [...specErrors(spec ?? {}, { allowInvalidValues: false, knownCidrs: [] })];
}

export function validateNetworkPolicyUpdate(policy: NetworkPolicy, old: NetworkPolicy): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(policy.metadata, old.metadata),
    ...specErrors(policy.spec ?? {}, {
      allowInvalidValues: hasInvalidSelector(old.spec?.podSelector),
      knownCidrs: cidrsOf(old.spec ?? {}),
    }),
  ];
}

/** What a policy that stands got wrong by today's rules stays allowed to it. */
interface PolicyRules {
  readonly allowInvalidValues: boolean;
  readonly knownCidrs: readonly string[];
}

function cidrsOf({ ingress = [], egress = [] }: NetworkPolicySpec): readonly string[] {
  const peers = [...ingress.flatMap(({ from = [] }) => from), ...egress.flatMap(({ to = [] }) => to)];
  return peers.flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock.cidr, ...(ipBlock.except ?? [])]));
}

function* specErrors(spec: NetworkPolicySpec, rules: PolicyRules): Errors {
  yield* validateLabelSelector(spec.podSelector, 'spec.podSelector', rules.allowInvalidValues);
  for (const [index, { ports = [], from = [] }] of (spec.ingress ?? []).entries()) {
    const field = `spec.ingress[${index}]`;
    yield* portsErrors(ports, `${field}.ports`);
    yield* peersErrors(from, `${field}.from`, rules);
  }
  for (const [index, { ports = [], to = [] }] of (spec.egress ?? []).entries()) {
    const field = `spec.egress[${index}]`;
    yield* portsErrors(ports, `${field}.ports`);
    yield* peersErrors(to, `${field}.to`, rules);
  }
  const types = spec.policyTypes ?? [];
  if (types.length > policyTypes.length) {
    yield invalid('spec.policyTypes', types, 'may not specify more than two policyTypes');
    return;
  }
  for (const [index, type] of types.entries()) {
    if (!policyTypes.includes(type)) yield notSupported(`spec.policyTypes[${index}]`, type, policyTypes);
  }
}

function* portsErrors(ports: readonly NetworkPolicyPort[], field: string): Errors {
  for (const [index, port] of ports.entries()) yield* portErrors(port, `${field}[${index}]`);
}

function* portErrors({ protocol, port, endPort }: NetworkPolicyPort, field: string): Errors {
  if (protocol !== undefined && !protocols.includes(protocol)) {
    yield notSupported(`${field}.protocol`, protocol, protocols);
  }
  if (typeof port === 'number') {
    yield* portNumber(port, `${field}.port`);
    if (endPort === undefined) return;
    if (endPort < port) yield invalid(`${field}.endPort`, port, 'must be greater than or equal to `port`');
    yield* portNumber(endPort, `${field}.endPort`);
    return;
  }
  if (endPort !== undefined) {
    const problem = port === undefined ? 'not specified' : 'non-numeric';
    yield invalid(`${field}.endPort`, endPort, `may not be specified when \`port\` is ${problem}`);
  }
  if (port !== undefined) yield* each(isPortName(port), `${field}.port`, port);
}

function* peersErrors(peers: readonly NetworkPolicyPeer[], field: string, rules: PolicyRules): Errors {
  for (const [index, peer] of peers.entries()) yield* peerErrors(peer, `${field}[${index}]`, rules);
}

function* peerErrors(peer: NetworkPolicyPeer, field: string, rules: PolicyRules): Errors {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  yield* validateLabelSelector(podSelector, `${field}.podSelector`, rules.allowInvalidValues);
  yield* validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`, rules.allowInvalidValues);
  if (ipBlock !== undefined) yield* ipBlockErrors(ipBlock, `${field}.ipBlock`, rules.knownCidrs);
  const hasSelector = podSelector !== undefined || namespaceSelector !== undefined;
  if (!hasSelector && ipBlock === undefined) yield required(field, 'must specify a peer');
  if (hasSelector && ipBlock !== undefined) yield forbidden(field, 'may not specify both ipBlock and another peer');
}

function* ipBlockErrors({ cidr = '', except = [] }: IPBlock, field: string, known: readonly string[]): Errors {
  if (cidr === '') {
    yield required(`${field}.cidr`);
    return;
  }
  yield* validateCidr(cidr, `${field}.cidr`, known);
  const whole = parseCidr(cidr);
  if (whole === undefined) return;
  for (const [index, text] of except.entries()) {
    const path = `${field}.except[${index}]`;
    yield* validateCidr(text, path, known);
    const part = parseCidr(text);
    if (part !== undefined && !isStrictSubset(part, whole)) {
      yield invalid(path, text, 'must be a strict subset of `cidr`');
    }
  }
}

function isStrictSubset(part: IpPrefix, whole: IpPrefix): boolean {
  if (part.address.family !== whole.address.family || whole.length >= part.length) return false;
  return part.address.bytes.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, whole.length - index * 8));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (byte & mask) === ((whole.address.bytes[index] ?? 0) & mask);
  });
}

import { duplicate, type FieldError, internalError, invalid, required, tooMany } from '../../field-error.ts';
import { parseIp } from '../../ip.ts';
import { isFullyQualifiedDomainName, nameIsDnsSubdomain } from '../../names.ts';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointHints, EndpointSlice } from '../../types.gen.ts';
import { validateIp, validateNonSpecialIp } from '../addresses.ts';
import {
  dnsLabel,
  type Errors,
  each,
  immutable,
  labelValue,
  qualifiedName,
  requiredValue,
  supportedValue,
} from '../common.ts';
import { validateLabels } from '../label-selector.ts';
import { validateObjectMeta } from '../meta.ts';

const endpointsMax = 1000;
const addressesMax = 100;
const topologyLabelsMax = 16;
const portsMax = 20000;
const hintsMax = 8;
const zoneLabel = 'topology.kubernetes.io/zone';

export function validateEndpointSlice(slice: EndpointSlice): readonly FieldError[] {
  return [...sliceErrors(slice, [])];
}

export function validateEndpointSliceUpdate(slice: EndpointSlice, old: EndpointSlice): readonly FieldError[] {
  return [
    ...validateObjectMeta(slice.metadata, { namespaced: true }),
    ...sliceErrors(
      slice,
      (old.endpoints ?? []).flatMap(({ addresses = [] }) => addresses),
    ),
    ...immutable(slice.addressType ?? '', old.addressType ?? '', 'addressType'),
  ];
}

function* sliceErrors(slice: EndpointSlice, known: readonly string[]): Errors {
  const { addressType = '', endpoints = [], ports = [] } = slice;
  yield* requiredValue(addressType, ['FQDN', 'IPv4', 'IPv6'], 'addressType');
  if (endpoints.length > endpointsMax) yield tooMany('endpoints', endpoints.length, endpointsMax);
  else {
    for (const [index, endpoint] of endpoints.entries()) {
      yield* endpointErrors(endpoint, addressType, `endpoints[${index}]`, known);
    }
  }
  yield* portsErrors(ports, 'ports');
}

function* endpointErrors(
  endpoint: Partial<Endpoint>,
  addressType: string,
  field: string,
  known: readonly string[],
): Errors {
  const { addresses = [], nodeName, deprecatedTopology = {}, hostname, hints } = endpoint;
  const path = `${field}.addresses`;
  if (addresses.length === 0) yield required(path, 'must contain at least 1 address');
  else if (addresses.length > addressesMax) yield tooMany(path, addresses.length, addressesMax);
  for (const [index, address] of addresses.entries()) {
    yield* addressErrors(address, addressType, path, index, known);
  }
  if (nodeName !== undefined) yield* each(nameIsDnsSubdomain(nodeName, false), `${field}.nodeName`, nodeName);
  const topology = `${field}.deprecatedTopology`;
  const labels = Object.keys(deprecatedTopology).length;
  if (labels > topologyLabelsMax) yield tooMany(topology, labels, topologyLabelsMax);
  yield* validateLabels(deprecatedTopology, topology);
  if (zoneLabel in deprecatedTopology) {
    yield internalError(`${topology}[${zoneLabel}]`, 'reserved key was not removed in conversion');
  }
  if (hostname !== undefined) yield* dnsLabel(hostname, `${field}.hostname`);
  if (hints !== undefined) yield* hintsErrors(hints, `${field}.hints`);
}

function* addressErrors(
  address: string,
  addressType: string,
  field: string,
  index: number,
  known: readonly string[],
): Errors {
  const path = `${field}[${index}]`;
  if (addressType === 'FQDN') yield* each(isFullyQualifiedDomainName(address), path, address);
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return;
  const errors = known.includes(address) ? [] : [...validateIp(address, path)];
  yield* errors;
  if (errors.length > 0) return;
  if (`IPv${parseIp(address)?.family}` !== addressType)
    yield invalid(field, address, `must be an ${addressType} address`);
  yield* validateNonSpecialIp(address, path);
}

function* hintsErrors({ forZones = [], forNodes = [] }: EndpointHints, field: string): Errors {
  if (forZones.length > hintsMax) {
    yield tooMany(`${field}.forZones`, forZones.length, hintsMax);
    return;
  }
  if (forNodes.length > hintsMax) {
    yield tooMany(`${field}.forNodes`, forNodes.length, hintsMax);
    return;
  }
  yield* namesErrors(forZones, `${field}.forZones`, labelValue);
  yield* namesErrors(forNodes, `${field}.forNodes`, (name, path) => each(nameIsDnsSubdomain(name, false), path, name));
}

function* namesErrors(
  hints: readonly { readonly name?: string }[],
  field: string,
  check: (name: string, path: string) => Errors,
): Errors {
  const seen = new Set<string>();
  for (const [index, { name = '' }] of hints.entries()) {
    const path = `${field}[${index}].name`;
    if (seen.has(name)) yield duplicate(path, name);
    seen.add(name);
    yield* check(name, path);
  }
}

function* portsErrors(ports: readonly DiscoveryV1EndpointPort[], field: string): Errors {
  if (ports.length > portsMax) {
    yield tooMany(field, ports.length, portsMax);
    return;
  }
  const seen = new Set<string>();
  for (const [index, { name = '', protocol, appProtocol }] of ports.entries()) {
    const path = `${field}[${index}]`;
    if (name !== '') yield* dnsLabel(name, `${path}.name`);
    if (seen.has(name)) yield duplicate(`${path}.name`, name);
    seen.add(name);
    yield* protocolErrors(protocol, `${path}.protocol`);
    if (appProtocol !== undefined) yield* qualifiedName(appProtocol, `${path}.appProtocol`);
  }
}

function* protocolErrors(protocol: string | undefined, field: string): Errors {
  if (protocol === undefined) yield required(field);
  else yield* supportedValue(protocol, ['SCTP', 'TCP', 'UDP'], field);
}

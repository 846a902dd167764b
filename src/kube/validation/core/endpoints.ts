import { type FieldError, required } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints } from '../../types.gen.ts';
import { validateIp, validateNonSpecialIp } from '../addresses.ts';
import { dnsLabel, type Errors, each, portNumber, qualifiedName, requiredValue } from '../common.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';

const protocols: readonly string[] = ['SCTP', 'TCP', 'UDP'];

export function validateEndpoints(endpoints: Endpoints): readonly FieldError[] {
  return [...createErrors(endpoints)];
}

function* createErrors({ subsets = [] }: Endpoints): Errors {
  for (const [index, subset] of subsets.entries()) yield* validateSubset(subset, `subsets[${index}]`);
}

function* validateSubset(
  { addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset,
  field: string,
): Errors {
  if (addresses.length === 0 && notReadyAddresses.length === 0) {
    yield required(field, 'must specify `addresses` or `notReadyAddresses`');
  }
  for (const [index, address] of addresses.entries()) yield* validateAddress(address, `${field}.addresses[${index}]`);
  for (const [index, address] of notReadyAddresses.entries()) {
    yield* validateAddress(address, `${field}.notReadyAddresses[${index}]`);
  }
  for (const [index, port] of ports.entries()) yield* validatePort(port, ports.length > 1, `${field}.ports[${index}]`);
}

function* validateAddress({ ip = '', hostname = '', nodeName }: EndpointAddress, field: string): Errors {
  yield* validateIp(ip, `${field}.ip`);
  if (hostname !== '') yield* dnsLabel(hostname, `${field}.hostname`);
  if (nodeName !== undefined) yield* each(nameIsDnsSubdomain(nodeName, false), `${field}.nodeName`, nodeName);
  yield* validateNonSpecialIp(ip, `${field}.ip`);
}

function* validatePort(
  { name = '', port = 0, protocol, appProtocol }: EndpointPort,
  nameRequired: boolean,
  field: string,
): Errors {
  if (nameRequired && name === '') yield required(`${field}.name`);
  else if (name !== '') yield* dnsLabel(name, `${field}.name`);
  yield* portNumber(port, `${field}.port`);
  yield* requiredValue(protocol, protocols, `${field}.protocol`);
  if (appProtocol !== undefined) yield* qualifiedName(appProtocol, `${field}.appProtocol`);
}

export function validateEndpointsUpdate(endpoints: Endpoints, old: Endpoints): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(endpoints.metadata, old.metadata),
    ...validateObjectMeta(endpoints.metadata, { namespaced: true }),
    ...createErrors(endpoints),
  ];
}

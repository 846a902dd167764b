import { isIPv6 } from 'node:net';
import type { Service } from '../../kube/types.gen.ts';

/**
 * The variables by which containers find services of their namespace, as Docker links named them: WEB_SERVICE_HOST,
 * WEB_SERVICE_PORT, WEB_PORT_80_TCP_ADDR and so on. Services without a cluster IP have none.
 */
export function serviceVariables(services: readonly Service[]): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const service of services) {
    const { clusterIP: address = '', ports = [] } = service.spec ?? {};
    const [first] = ports;
    if (!hasClusterIP(service) || first === undefined) continue;
    const name = variableName(service.metadata.name ?? '');
    variables.set(`${name}_SERVICE_HOST`, address);
    variables.set(`${name}_SERVICE_PORT`, String(first.port));
    for (const { name: portName, port } of ports)
      if (portName) variables.set(`${name}_SERVICE_PORT_${variableName(portName)}`, String(port));
    const host = isIPv6(address) ? `[${address}]` : address;
    for (const { port, protocol = 'TCP' } of ports) {
      const scheme = protocol.toLowerCase();
      const prefix = `${name}_PORT_${port}_${protocol.toUpperCase()}`;
      const url = `${scheme}://${host}:${port}`;
      if (!variables.has(`${name}_PORT`)) variables.set(`${name}_PORT`, url);
      variables.set(prefix, url);
      variables.set(`${prefix}_PROTO`, scheme);
      variables.set(`${prefix}_PORT`, String(port));
      variables.set(`${prefix}_ADDR`, address);
    }
  }
  return variables;
}

/** The services that a pod of this namespace is told about; the API server itself always. */
export function linkedServices(
  services: readonly Service[],
  namespace: string,
  enableServiceLinks: boolean,
): readonly Service[] {
  const byName = new Map<string, Service>();
  for (const service of services) {
    if (!hasClusterIP(service)) continue;
    const { name = '', namespace: own } = service.metadata;
    if (own === 'default' && name === 'kubernetes') {
      if (!byName.has(name)) byName.set(name, service);
    } else if (own === namespace && enableServiceLinks) {
      byName.set(name, service);
    }
  }
  return [...byName.values()];
}

function hasClusterIP(service: Service): boolean {
  const { clusterIP = '' } = service.spec ?? {};
  return clusterIP !== '' && clusterIP !== 'None';
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

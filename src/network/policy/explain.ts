import { WherryError } from '../../core/errors.ts';
import { type ClusterState, decisionView } from './cluster-state.ts';
import { type Decision, decide } from './decide.ts';
import { lastPort, type Protocol, protocols } from './policy.ts';
import { canonicalAddress } from './ranges.ts';
import { nodeAddresses } from './sets.ts';

/** What is asked: by whom, to whom, and on which port, as a user writes them. */
export interface ExplainQuestion {
  /** `pod`, `namespace/pod`, an address, or the name of a node. */
  readonly from: string;
  readonly to: string;
  /** `80`, `53/UDP`, or the name of a port of the pod. */
  readonly port: string;
  /** Of pods that are named without one. */
  readonly namespace: string;
}

/** What policies say of one connection. */
export interface Explanation {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly allowed: boolean;
  /** Of the client's pod; null when the client is none. */
  readonly egress: Decision | null;
  readonly ingress: Decision | null;
}

interface End {
  /** `default/web`, or the address again. */
  readonly name: string;
  readonly addresses: readonly string[];
  /** The node that it is or runs on. */
  readonly node: string | undefined;
  readonly isNode: boolean;
}

/**
 * Which rules decide, one explanation for each IP family that both ends have. Throws WherryError when an end or the port
 * can't be told.
 */
export function explain(state: ClusterState, question: ExplainQuestion): readonly Explanation[] {
  const view = decisionView(state);
  const from = endOf(state, question.from, question.namespace);
  const to = endOf(state, question.to, question.namespace);
  const pairs = from.addresses.flatMap((client) =>
    to.addresses
      .filter((server) => server.includes(':') === client.includes(':'))
      .slice(0, 1)
      .map((server) => ({ client, server })),
  );
  if (pairs.length === 0) {
    throw new WherryError('NO_COMMON_FAMILY', `${from.name} and ${to.name} have no addresses of one IP family`, {
      hint: 'see `kubectl get pods -o wide` whether both have their addresses yet',
    });
  }
  return pairs.map(({ client, server }) => {
    const { protocol, port } = portOf(question.port, view.podAt(server)?.namedPorts ?? []);
    const connection = { client, server, protocol, port };
    const isOwnNode = from.node !== undefined && from.node === to.node && (from.isNode || to.isNode);
    const egress = isOwnNode ? toOwnNode(view, connection, from) : decide(view, connection, 'egress');
    const ingress = isOwnNode && from.isNode ? fromOwnNode : decide(view, connection, 'ingress');
    return {
      from: labelOf(from, client),
      to: labelOf(to, server),
      port: `${port}/${protocol}`,
      allowed: egress?.allowed !== false && ingress?.allowed !== false,
      egress,
      ingress,
    };
  });
}

const fromOwnNode: Decision = { allowed: true, reason: 'a node may always reach its own pods' };

/** A pod may reach its own node, unless the Admin tier denies it. */
function toOwnNode(
  view: ReturnType<typeof decisionView>,
  connection: Parameters<typeof decide>[1],
  from: End,
): Decision | null {
  if (from.isNode) return null;
  const admin = view.policies.filter(({ tier }) => tier === 'Admin');
  const decision = decide({ ...view, policies: admin }, connection, 'egress');
  return decision?.allowed === false
    ? decision
    : { allowed: true, reason: 'a pod may always reach its own node, unless a policy of the Admin tier denies it' };
}

function labelOf({ name }: End, address: string): string {
  return name === address ? address : `${name} (${address})`;
}

function endOf(state: ClusterState, text: string, namespace: string): End {
  const address = canonicalAddress(text);
  if (address !== undefined) return endAt(state, address);
  const key = text.includes('/') ? text : `${namespace}/${text}`;
  const pod = state.pods.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key);
  if (pod !== undefined) {
    const node = pod.spec?.nodeName;
    const { podIPs, podIP } = pod.status ?? {};
    const addresses = podIPs?.map(({ ip }) => ip) ?? (podIP ? [podIP] : []);
    return {
      name: key,
      addresses: addresses.flatMap((ip) => canonicalAddress(ip) ?? []),
      node,
      isNode: pod.spec?.hostNetwork === true,
    };
  }
  const node = state.nodes.find(({ metadata }) => metadata.name === text);
  if (node !== undefined) return { name: `node ${text}`, addresses: nodeAddresses(node), node: text, isNode: true };
  throw new WherryError('UNKNOWN_END', `${text} is no address, no pod (${key}) and no node`, {
    hint: 'write an address, POD, NAMESPACE/POD or the name of a node',
  });
}

function endAt(state: ClusterState, address: string): End {
  const node = state.nodes.find((one) => nodeAddresses(one).includes(address));
  if (node !== undefined) {
    return { name: `node ${node.metadata.name}`, addresses: [address], node: node.metadata.name, isNode: true };
  }
  const pod = state.pods.find(({ status }) => status?.podIPs?.some(({ ip }) => canonicalAddress(ip) === address));
  if (pod === undefined) return { name: address, addresses: [address], node: undefined, isNode: false };
  const { namespace, name } = pod.metadata;
  return { name: `${namespace}/${name}`, addresses: [address], node: pod.spec?.nodeName, isNode: false };
}

function portOf(
  text: string,
  named: readonly { readonly name: string; readonly protocol: Protocol; readonly port: number }[],
): { readonly protocol: Protocol; readonly port: number } {
  const [what = '', suffix] = text.split('/');
  const protocol = suffix === undefined ? undefined : protocols.find((one) => one === suffix.toUpperCase());
  if (suffix !== undefined && protocol === undefined) {
    throw new WherryError('INVALID_PORT', `${suffix} is not a protocol of ports`, { hint: 'write TCP, UDP or SCTP' });
  }
  const port = Number(what);
  if (Number.isInteger(port) && port > 0 && port <= lastPort) return { protocol: protocol ?? 'TCP', port };
  const found = named.find((one) => one.name === what && (protocol === undefined || one.protocol === protocol));
  if (found !== undefined) return found;
  throw new WherryError('INVALID_PORT', `${what} is not a port, and the pod has none of that name`, {
    hint: 'write a number from 1 to 65535, or the name of a container port of the pod',
  });
}

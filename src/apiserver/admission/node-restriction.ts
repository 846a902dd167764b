import { isDeepStrictEqual } from 'node:util';
import type { Draft } from '../../kube/draft.ts';
import { goQuote } from '../../kube/go-json.ts';
import {
  certificatesigningrequests,
  csidrivers,
  csinodes,
  leases,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  resourceslices,
} from '../../kube/resources.gen.ts';
import type { CSIDriver, Node, Pod, TokenRequest } from '../../kube/types.gen.ts';
import type { SyncAuthorizer } from '../authz/authorizers.ts';
import { podReferences } from '../authz/pod-references.ts';
import { notFound } from '../errors.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { requestOf } from './certificates.ts';
import { isAbout, isMirror, mirrorAnnotation, newState, oldState, refuse } from './target.ts';

/** What the Node authorizer can't see since it stands in the object: a node only writes what is its own. */
export class NodeRestriction implements AdmissionPlugin {
  readonly name = 'NodeRestriction';
  private readonly reader: ClusterReader;
  private readonly authorizer: SyncAuthorizer;
  private readonly checks: ReadonlyMap<string, (node: string, request: AdmissionRequest) => void>;

  constructor(reader: ClusterReader, authorizer: SyncAuthorizer) {
    this.reader = reader;
    this.authorizer = authorizer;
    this.checks = new Map([
      ['pods', (node, request) => this.pod(node, request)],
      ['serviceaccounts', (node, request) => this.token(node, request)],
      ['nodes', ownNode],
      ['persistentvolumeclaims', claimStatus],
      ['leases.coordination.k8s.io', ownLease],
      ['csinodes.storage.k8s.io', ownCsiNode],
      ['resourceslices.resource.k8s.io', ownSlice],
      ['certificatesigningrequests.certificates.k8s.io', ownCertificate],
    ]);
  }

  handles(request: AdmissionRequest): boolean {
    return (
      request.operation !== 'CONNECT' && request.user.groups.includes('system:nodes') && nodeOf(request) !== undefined
    );
  }

  async admit(request: AdmissionRequest): Promise<void> {
    const node = nodeOf(request) ?? '';
    if (node === '') throw refuse(request, `could not determine node from user ${goQuote(request.user.name)}`);
    const { group, resource } = request.info;
    this.checks.get(group === '' ? resource : `${resource}.${group}`)?.(node, request);
  }

  private pod(node: string, request: AdmissionRequest): void {
    const { operation, info } = request;
    const who = `node ${goQuote(node)}`;
    if (info.subresource === 'status') podStatus(node, request);
    else if (info.subresource === 'eviction') this.evict(node, request);
    else if (info.subresource !== '') {
      const given = goQuote(info.subresource);
      throw refuse(request, `unexpected pod subresource ${given}, only 'status' and 'eviction' are allowed`);
    } else if (operation === 'CREATE') this.createPod(node, request);
    else if (operation !== 'DELETE') {
      throw refuse(
        request,
        `unexpected operation ${goQuote(operation)}, ${who} can only create and delete mirror pods`,
      );
    } else if (oldState(request, pods)?.spec?.nodeName !== node) {
      throw refuse(request, `${who} can only delete pods with spec.nodeName set to itself`);
    }
  }

  private createPod(node: string, request: AdmissionRequest): void {
    const pod = newState(request, pods);
    if (pod === null) return;
    const who = `node ${goQuote(node)}`;
    if (!isMirror(pod)) {
      throw refuse(
        request,
        `pod does not have ${goQuote(mirrorAnnotation)} annotation, ${who} can only create mirror pods`,
      );
    }
    if (pod.spec?.nodeName !== node)
      throw refuse(request, `${who} can only create pods with spec.nodeName set to itself`);
    this.checkOwner(node, request, pod);
    const cannot = (what: string) => refuse(request, `${who} can not create pods that reference ${what}`);
    if ((pod.spec.serviceAccountName ?? '') !== '') throw cannot('a service account');
    const { secrets, configMaps, claims } = podReferences(pod);
    if (secrets.size > 0) throw cannot('secrets');
    if (configMaps.size > 0) throw cannot('configmaps');
    const sources = (pod.spec.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
    if (sources.some((source) => source.clusterTrustBundle !== undefined)) throw cannot('clustertrustbundles');
    if (claims.size > 0) throw cannot('persistentvolumeclaims');
    if ((pod.spec.resourceClaims ?? []).length > 0) throw cannot('resourceclaims');
  }

  private checkOwner(node: string, request: AdmissionRequest, pod: Pod): void {
    const who = `node ${goQuote(node)}`;
    const [owner, ...others] = pod.metadata.ownerReferences ?? [];
    if (others.length > 0)
      throw refuse(request, `${who} can only create pods with a single owner reference set to itself`);
    if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
      throw refuse(request, `${who} can only create pods with an owner reference set to itself`);
    }
    if (owner.controller !== true) {
      throw refuse(request, `${who} can only create pods with a controller owner reference set to itself`);
    }
    if (owner.blockOwnerDeletion === true) {
      throw refuse(request, `${who} must not set blockOwnerDeletion on an owner reference`);
    }
    const standing = this.reader.get(nodes, { name: node });
    if (standing === undefined) throw notFound(nodes, node);
    if (standing.metadata.uid === owner.uid) return;
    throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${standing.metadata.uid}`);
  }

  private evict(node: string, request: AdmissionRequest): void {
    const { namespace, name } = request.info;
    if (request.operation !== 'CREATE') throw refuse(request, `unexpected operation ${request.operation}`);
    const pod = this.reader.get(pods, { namespace, name });
    if (pod === undefined) throw notFound(pods, name);
    if (pod.spec?.nodeName === node) return;
    throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
  }

  private token(node: string, request: AdmissionRequest): void {
    if (request.operation !== 'CREATE' || request.info.subresource !== 'token') return;
    const body = request.object as unknown as TokenRequest | null;
    const ref = body?.spec?.boundObjectRef;
    if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || (ref.name ?? '') === '') {
      throw refuse(request, 'node requested token not bound to a pod');
    }
    const { name = '', uid = '' } = ref;
    if (uid === '') throw refuse(request, 'node requested token with a pod binding without a uid');
    const pod = this.reader.get(pods, { namespace: request.info.namespace, name });
    if (pod === undefined) throw notFound(pods, name);
    if (uid !== pod.metadata.uid) {
      const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
      throw refuse(request, why);
    }
    if (pod.spec?.nodeName !== node) {
      throw refuse(request, 'node requested token bound to a pod scheduled on a different node');
    }
    this.checkAudiences(request, pod, body?.spec?.audiences ?? []);
  }

  // A node only asks for tokens that the pod's own volumes ask for (KEP-4412).
  private checkAudiences(request: AdmissionRequest, pod: Pod, audiences: readonly string[]): void {
    if (audiences.length === 0) return;
    if (audiences.length > 1) throw refuse(request, 'node may only request 0 or 1 audiences');
    const audience = audiences[0] ?? '';
    if (this.podAudiences(pod).has(audience)) return;
    const { namespace, name } = request.info;
    const target = { group: '', version: '', resource: audience, subresource: '', namespace, name, path: '' };
    const verb = 'request-serviceaccounts-token-audience';
    if (this.authorizer.decide({ user: request.user, verb, isResource: true, ...target }).allowed) return;
    throw refuse(request, `audience ${goQuote(audience)} not found in pod spec volume`);
  }

  private podAudiences(pod: Pod): ReadonlySet<string> {
    const found = new Set<string>();
    const namespace = pod.metadata.namespace ?? '';
    const ofDriver = (name: string | undefined) => {
      const driver: CSIDriver | undefined = name === undefined ? undefined : this.reader.get(csidrivers, { name });
      for (const { audience } of driver?.spec.tokenRequests ?? []) found.add(audience);
    };
    for (const volume of pod.spec?.volumes ?? []) {
      for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
        if (serviceAccountToken !== undefined) found.add(serviceAccountToken.audience ?? '');
      }
      ofDriver(volume.csi?.driver);
    }
    for (const name of podReferences(pod).claims) {
      const claim = this.reader.get(persistentvolumeclaims, { namespace, name });
      const volume = claim?.spec?.volumeName;
      if (volume) ofDriver(this.reader.get(persistentvolumes, { name: volume })?.spec?.csi?.driver);
    }
    return found;
  }
}

function nodeOf({ user }: AdmissionRequest): string | undefined {
  const prefix = 'system:node:';
  return user.name.startsWith(prefix) ? user.name.slice(prefix.length) : undefined;
}

function podStatus(node: string, request: AdmissionRequest): void {
  if (request.operation !== 'UPDATE') throw refuse(request, `unexpected operation ${goQuote(request.operation)}`);
  const old = oldState(request, pods);
  const pod = newState(request, pods);
  const who = `node ${goQuote(node)}`;
  if (old?.spec?.nodeName !== node) {
    throw refuse(request, `${who} can only update pod status for pods with spec.nodeName set to itself`);
  }
  if (!isDeepStrictEqual(old.metadata.labels ?? {}, { ...pod?.metadata.labels })) {
    throw refuse(request, `${who} cannot update labels through pod status`);
  }
  if (isDeepStrictEqual(old.status?.resourceClaimStatuses ?? [], pod?.status?.resourceClaimStatuses ?? [])) return;
  throw refuse(request, `${who} cannot update resource claim statues`);
}

function claimStatus(node: string, request: AdmissionRequest): void {
  if (request.info.subresource !== 'status') throw refuse(request, 'may only update PVC status');
  if (request.operation !== 'UPDATE') throw refuse(request, `unexpected operation ${goQuote(request.operation)}`);
  const comparable = (object: Readonly<Record<string, unknown>> | null) => {
    const { status, metadata, ...rest } = object ?? {};
    const { resourceVersion: _, managedFields: __, ...kept } = { ...(metadata as Record<string, unknown>) };
    const own = ['capacity', 'conditions', 'allocatedResources', 'allocatedResourceStatuses'];
    return { ...rest, kept, status: Object.entries({ ...(status as object) }).filter(([key]) => !own.includes(key)) };
  };
  if (isDeepStrictEqual(comparable(request.object), comparable(request.old))) return;
  const why = 'is not allowed to update fields other than status.capacity and status.conditions';
  throw refuse(request, `node ${goQuote(node)} ${why}`);
}

function ownNode(node: string, request: AdmissionRequest): void {
  const { operation, info } = request;
  const object = newState(request, nodes);
  const requested = info.name || (object?.metadata.name ?? '');
  const who = `node ${goQuote(node)}`;
  if (requested !== node) throw refuse(request, `${who} is not allowed to modify node ${goQuote(requested)}`);
  if (object === null) return;
  const old = oldState(request, nodes);
  const labels = forbiddenLabels(object, old);
  if (operation === 'CREATE') {
    if (object.spec?.configSource !== undefined) {
      throw refuse(request, `${who} is not allowed to create pods with a non-nil configSource`);
    }
    if (labels.length > 0)
      throw refuse(request, `${who} is not allowed to set the following labels: ${labels.join(', ')}`);
  }
  if (operation !== 'UPDATE') return;
  const source = object.spec?.configSource;
  if (source !== undefined && !isDeepStrictEqual(source, old?.spec?.configSource)) {
    throw refuse(request, `${who} is not allowed to update configSource to a new non-nil configSource`);
  }
  if (!isDeepStrictEqual(object.spec?.taints ?? [], old?.spec?.taints ?? [])) {
    throw refuse(request, `${who} is not allowed to modify taints`);
  }
  if (labels.length > 0) throw refuse(request, `is not allowed to modify labels: ${labels.join(', ')}`);
}

// The labels in Kubernetes' own domains that a kubelet may set on its node.
const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);
const kubeletLabelDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

function forbiddenLabels(object: Draft<Node>, old: Node | null): readonly string[] {
  const now = object.metadata.labels ?? {};
  const before = old?.metadata.labels ?? {};
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter((key) => now[key] !== before[key]);
  const inDomain = (domain: string, suffix: string) => domain === suffix || domain.endsWith(`.${suffix}`);
  const isForbidden = (key: string) => {
    const slash = key.indexOf('/');
    const domain = slash < 0 ? '' : key.slice(0, slash);
    if (inDomain(domain, 'node-restriction.kubernetes.io')) return true;
    if (!inDomain(domain, 'kubernetes.io') && !inDomain(domain, 'k8s.io')) return false;
    return !kubeletLabels.has(key) && !kubeletLabelDomains.some((own) => inDomain(domain, own));
  };
  return changed.filter(isForbidden).sort();
}

function ownCsiNode(node: string, request: AdmissionRequest): void {
  const name = request.operation === 'CREATE' ? newState(request, csinodes)?.metadata.name : request.info.name;
  if (name !== node) throw refuse(request, 'can only access CSINode with the same name as the requesting node');
}

function ownLease(node: string, request: AdmissionRequest): void {
  if (request.info.namespace !== 'kube-node-lease') {
    throw refuse(request, 'can only access leases in the "kube-node-lease" system namespace');
  }
  const name = request.operation === 'CREATE' ? newState(request, leases)?.metadata.name : request.info.name;
  if (name === node) return;
  throw refuse(request, 'can only access node lease with the same name as the requesting node');
}

function ownSlice(node: string, request: AdmissionRequest): void {
  if (request.operation !== 'CREATE') return;
  if (newState(request, resourceslices)?.spec?.nodeName === node) return;
  throw refuse(request, 'can only create ResourceSlice with the same NodeName as the requesting node');
}

const nodeSigners = new Set(['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']);

function ownCertificate(node: string, request: AdmissionRequest): void {
  if (request.operation !== 'CREATE' || !isAbout(request, certificatesigningrequests)) return;
  const spec = newState(request, certificatesigningrequests)?.spec;
  if (spec === undefined || !nodeSigners.has(spec.signerName)) return;
  const wanted = `system:node:${node}`;
  let commonName: string;
  try {
    commonName = requestOf(spec.request).subject.commonName;
  } catch (error) {
    throw refuse(request, `unable to parse csr: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (commonName !== wanted) throw refuse(request, `can only create a node CSR with CN=${wanted}`);
}

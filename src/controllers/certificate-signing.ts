import { describeError } from '../core/errors.ts';
import { findCondition } from '../kube/conditions.ts';
import { keyOf } from '../kube/resource.ts';
import { certificatesigningrequests, nodes, subjectaccessreviews } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatTime, parseTime } from '../kube/time.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition, Node } from '../kube/types.gen.ts';
import {
  type Controller,
  type ControllerContext,
  done,
  type Informers,
  type Outcome,
  watchOf,
} from '../runtime/controller.ts';
import { nameOf } from './support/ownership.ts';

export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving';
export const clientSigner = 'kubernetes.io/kube-apiserver-client';

const secondsMax = 365 * 86_400;
/** How long requests are kept: once settled, and while nobody decides. */
const settledKeptMs = 3_600_000;
const pendingKeptMs = 24 * 3_600_000;

/** What stands in a PKCS #10 request. */
export interface RequestContent {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** E-mail addresses and URIs, which no signer here accepts. */
  readonly otherNames: readonly string[];
}

/** The keys of the cluster, which the composition root holds. PEM in, PEM out. */
export interface CertificateSigner {
  parse(requestPem: string): RequestContent;
  sign(requestPem: string, usages: readonly string[], seconds: number): Promise<string>;
}

const clientUsages = new Set(['key encipherment', 'digital signature', 'client auth']);
const servingUsages = new Set(['key encipherment', 'digital signature', 'server auth']);

/** Why a signer does not sign the request; undefined when it does. Pure. */
export function refusal(signerName: string, content: RequestContent, usages: readonly string[]): string | undefined {
  const { commonName, organizations, dnsNames, ipAddresses, otherNames } = content;
  const has = (allowed: ReadonlySet<string>, needed: string) =>
    usages.includes(needed) && usages.every((usage) => allowed.has(usage));
  const isNode =
    organizations.length === 1 && organizations[0] === 'system:nodes' && commonName.startsWith('system:node:');
  switch (signerName) {
    case kubeletClientSigner:
      if (organizations.length !== 1 || organizations[0] !== 'system:nodes')
        return 'subject organization is not system:nodes';
      if (!commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:';
      if (dnsNames.length + ipAddresses.length + otherNames.length > 0)
        return 'DNS, IP, URI and email subjectAltNames are not allowed';
      return has(clientUsages, 'client auth') ? undefined : 'usages did not match the signer';
    case kubeletServingSigner:
      if (!isNode) return 'subject is not that of a node';
      if (dnsNames.length + ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
      if (otherNames.length > 0) return 'URI and email subjectAltNames are not allowed';
      return has(servingUsages, 'server auth') ? undefined : 'usages did not match the signer';
    case clientSigner:
      return has(clientUsages, 'client auth') ? undefined : 'usages did not match the signer';
    default:
      return 'the signer is not known';
  }
}

const signers = new Set([kubeletClientSigner, kubeletServingSigner, clientSigner]);

/** Approves what kubelets ask for themselves, signs what is approved, and clears old requests away. */
export function createCertificateController(signer: CertificateSigner): Controller {
  async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const request = context.informers.of(certificatesigningrequests).get(key);
    if (!request) return done;
    const waitMs = timeLeftMs(request, context.clock.now());
    if (waitMs <= 0) return removeRequest(context, request);
    const { signerName, usages = [], expirationSeconds } = request.spec;
    const has = (type: string) => findCondition(request.status?.conditions, type) !== undefined;
    if (!signers.has(signerName) || request.status?.certificate || has('Denied') || has('Failed'))
      return { requeueAfterMs: waitMs };
    const pem = Buffer.from(request.spec.request, 'base64').toString('utf8');
    if (!has('Approved')) {
      await approve(context, request, signer.parse(pem));
      return { requeueAfterMs: waitMs };
    }
    const failure = await signOrFail(
      context,
      request,
      pem,
      usages,
      Math.min(expirationSeconds ?? secondsMax, secondsMax),
    );
    if (failure !== undefined)
      await addCondition(context, request, 'status', 'Failed', 'SignerValidationFailure', failure);
    return { requeueAfterMs: waitMs };
  }

  async function signOrFail(
    { client }: ControllerContext,
    request: CertificateSigningRequest,
    pem: string,
    usages: readonly string[],
    seconds: number,
  ): Promise<string | undefined> {
    let why: string | undefined;
    try {
      why = refusal(request.spec.signerName, signer.parse(pem), usages);
    } catch (thrown) {
      // A request that can't be read will never be signed; its condition tells why.
      why = describeError(thrown);
    }
    if (why !== undefined) return why;
    const certificate = Buffer.from(await signer.sign(pem, usages, seconds)).toString('base64');
    const status = { ...request.status, certificate };
    await client.update(certificatesigningrequests, { ...request, status }, { subresource: 'status' });
    return undefined;
  }

  return {
    name: 'certificate-controller',
    watches: [
      watchOf(certificatesigningrequests, (request) => [keyOf(request)]),
      // A serving certificate is asked for before the node has told its addresses.
      watchOf(nodes, (node, informers) => undecidedOf(node, informers)),
    ],
    reconcile,
  };
}

function undecidedOf(node: Node, informers: Informers): readonly string[] {
  return informers
    .of(certificatesigningrequests)
    .list()
    .filter(({ spec, status }) => isServingRequestOf(node, spec) && !status?.conditions?.length)
    .map(keyOf);
}

function isServingRequestOf(node: Node, { signerName, username, groups }: CertificateSigningRequest['spec']): boolean {
  const isNode = username === `system:node:${node.metadata.name}` && groups?.includes('system:nodes') === true;
  return signerName === kubeletServingSigner && isNode;
}

/**
 * Whether a node asks for a serving certificate under names that are its own: each stands in its Node's addresses, and
 * in those of no other Node, so that no node can pass for another. Pure.
 */
export function mayServeAs(
  { commonName, dnsNames, ipAddresses }: Pick<RequestContent, 'commonName' | 'dnsNames' | 'ipAddresses'>,
  all: readonly Node[],
): boolean {
  const addresses = (node: Node) => (node.status?.addresses ?? []).map(({ address }) => address);
  const isOwn = (node: Node) => `system:node:${node.metadata.name}` === commonName;
  const own = new Set(all.filter(isOwn).flatMap(addresses));
  const foreign = new Set(all.filter((node) => !isOwn(node)).flatMap(addresses));
  return [...dnsNames, ...ipAddresses].every((name) => own.has(name) && !foreign.has(name));
}

/** A kubelet's certificates are approved: for serving, under its own names; as a client, when its user may ask for it. */
async function approve(context: ControllerContext, request: CertificateSigningRequest, content: RequestContent) {
  if (refusal(request.spec.signerName, content, request.spec.usages ?? []) !== undefined) return;
  if (request.spec.signerName === kubeletClientSigner) return approveClient(context, request, content);
  if (request.spec.signerName !== kubeletServingSigner) return;
  const all = context.informers.of(nodes).list();
  const node = all.find(({ metadata }) => `system:node:${metadata.name}` === content.commonName);
  if (node === undefined || !isServingRequestOf(node, request.spec) || !mayServeAs(content, all)) return;
  const message = 'Auto approving kubelet serving certificate for the addresses of its Node.';
  await addCondition(context, request, 'approval', 'Approved', 'AutoApproved', message);
}

/** For itself, or for any node where its user may do that. */
async function approveClient(context: ControllerContext, request: CertificateSigningRequest, content: RequestContent) {
  const { username = '', groups = [], uid, extra } = request.spec;
  const isSelf = content.commonName === username;
  const recognized = isSelf ? (['selfnodeclient', 'nodeclient'] as const) : (['nodeclient'] as const);
  for (const subresource of recognized) {
    const review = await context.client.create(subjectaccessreviews, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: username,
        groups,
        ...(uid === undefined ? {} : { uid }),
        ...(extra === undefined ? {} : { extra }),
        resourceAttributes: {
          group: 'certificates.k8s.io',
          resource: 'certificatesigningrequests',
          verb: 'create',
          subresource,
          version: '*',
        },
      },
    });
    if (!review.status?.allowed) continue;
    const what = subresource === 'selfnodeclient' ? 'self kubelet client certificate' : 'kubelet client certificate';
    const message = `Auto approving ${what} after SubjectAccessReview.`;
    await addCondition(context, request, 'approval', 'Approved', 'AutoApproved', message);
    return;
  }
}

async function addCondition(
  { client, clock }: ControllerContext,
  request: CertificateSigningRequest,
  subresource: 'approval' | 'status',
  type: string,
  reason: string,
  message: string,
): Promise<void> {
  const now = formatTime(clock.now());
  const condition: CertificateSigningRequestCondition = {
    type,
    status: 'True',
    reason,
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  const conditions = [...(request.status?.conditions ?? []), condition];
  await client.update(
    certificatesigningrequests,
    { ...request, status: { ...request.status, conditions } },
    { subresource },
  );
}

function timeLeftMs(request: CertificateSigningRequest, nowMs: number): number {
  const settled = request.status?.conditions?.find(({ type }) => ['Approved', 'Denied', 'Failed'].includes(type));
  const isIssued = !!request.status?.certificate || settled?.type === 'Denied' || settled?.type === 'Failed';
  const created = parseTime(request.metadata.creationTimestamp) ?? nowMs;
  const settledAt = parseTime(settled?.lastUpdateTime) ?? created;
  return isIssued ? settledAt + settledKeptMs - nowMs : created + pendingKeptMs - nowMs;
}

async function removeRequest({ client }: ControllerContext, request: CertificateSigningRequest): Promise<Outcome> {
  try {
    await client.delete(certificatesigningrequests, nameOf(request));
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
  return done;
}

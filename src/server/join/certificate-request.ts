import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Client } from '../../client/client.ts';
import { kubeletClientSigner, kubeletServingSigner } from '../../controllers/certificate-signing.ts';
import type { Clock } from '../../core/clock.ts';
import { TransientError, WherryError } from '../../core/errors.ts';
import { findCondition } from '../../kube/conditions.ts';
import { certificatesigningrequests } from '../../kube/resources.gen.ts';
import type { CertificateSigningRequest } from '../../kube/types.gen.ts';
import { encodePem } from '../../wire/pem.ts';
import { type AltNames, signRequest } from '../../wire/x509.ts';

/** What a node's certificate is for. */
export type NodeCertificatePurpose = 'client' | 'serving';

/** How long a request may wait for its approval. */
const approvalTimeoutMs = 60_000;
const lookMs = 100;

const purposes = {
  client: { signerName: kubeletClientSigner, usages: ['digital signature', 'client auth'] },
  serving: { signerName: kubeletServingSigner, usages: ['digital signature', 'server auth'] },
} as const;

export interface CertificateOrder {
  readonly purpose: NodeCertificatePurpose;
  readonly nodeName: string;
  /** Under which names it serves; none for a client. */
  readonly names: AltNames;
  readonly key: KeyObject;
}

/** An order that the cluster knows, as a CertificateSigningRequest of that name. */
export interface PlacedOrder {
  readonly name: string;
  readonly order: CertificateOrder;
}

/** Asks the cluster to sign a certificate for a node's own key (certificates.k8s.io), which never leaves this machine. */
export async function placeOrder(client: Client, order: CertificateOrder, signal: AbortSignal): Promise<PlacedOrder> {
  const { purpose, nodeName, names, key } = order;
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
  const pem = encodePem('CERTIFICATE REQUEST', signRequest(subject, names, createPublicKey(key), key));
  const { signerName, usages } = purposes[purpose];
  const { metadata } = await client.create(
    certificatesigningrequests,
    {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { generateName: 'csr-' },
      spec: { request: Buffer.from(pem).toString('base64'), signerName, usages: [...usages] },
    },
    { signal },
  );
  return { name: metadata.name ?? '', order };
}

/**
 * Resolves with the certificate's PEM. Throws WherryError CERTIFICATE_DENIED, or TransientError CERTIFICATE_WAITS when nobody approved in
 * time.
 */
export async function awaitCertificate(
  client: Client,
  { name, order: { purpose, nodeName } }: PlacedOrder,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  const deadline = clock.monotonic() + approvalTimeoutMs;
  for (;;) {
    const certificate = issued(await client.get(certificatesigningrequests, { name }, { signal }), purpose);
    if (certificate !== undefined) return certificate;
    if (clock.monotonic() > deadline) {
      throw new TransientError(
        'CERTIFICATE_WAITS',
        `nobody has approved the ${purpose} certificate of node ${nodeName} within ${approvalTimeoutMs / 1000} s`,
        { hint: `look at it on the server: kubectl describe csr ${name}; kubectl certificate approve ${name}` },
      );
    }
    await clock.sleep(lookMs, signal);
  }
}

function issued({ metadata, status }: CertificateSigningRequest, purpose: string): string | undefined {
  if (status?.certificate) return Buffer.from(status.certificate, 'base64').toString('utf8');
  const refusal = findCondition(status?.conditions, 'Denied') ?? findCondition(status?.conditions, 'Failed');
  if (refusal === undefined) return undefined;
  throw new WherryError(
    'CERTIFICATE_DENIED',
    `the cluster refuses this node a ${purpose} certificate: ${refusal.message ?? refusal.reason ?? refusal.type}`,
    { hint: `look at it on the server: kubectl describe csr ${metadata.name}` },
  );
}

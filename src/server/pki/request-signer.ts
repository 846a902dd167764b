import { createPublicKey, type KeyObject } from 'node:crypto';
import type { CertificateSigner, RequestContent } from '../../controllers/certificate-signing.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { TerminalError } from '../../core/errors.ts';
import { decodePem } from '../../wire/pem.ts';
import { type CertificateRequest, type ExtendedUsage, isSignedBy, parseRequest } from '../../wire/x509.ts';
import { type Authority, issue } from './certificates.ts';

interface ReadRequest {
  readonly request: CertificateRequest;
  readonly publicKey: KeyObject;
}

/** Names of usages in a CertificateSigningRequest that stand as extended key usages in a certificate. */
const extended: Readonly<Record<string, ExtendedUsage>> = { 'client auth': 'clientAuth', 'server auth': 'serverAuth' };

/**
 * Signs what CertificateSigningRequests ask for: clients' certificates with the client authority, kubelets' serving
 * ones with the server authority. Whether a request deserves it is the controller's decision.
 */
export function createRequestSigner(
  authorities: { readonly clientAuthority: Authority; readonly serverAuthority: Authority },
  clock: Clock = systemClock,
): CertificateSigner {
  return {
    parse: (pem) => contentOf(readRequest(pem).request),
    async sign(pem, usages, seconds) {
      const { request, publicKey } = readRequest(pem);
      const wanted = usages.flatMap((usage) => extended[usage] ?? []);
      const authority = wanted.includes('serverAuth') ? authorities.serverAuthority : authorities.clientAuthority;
      const { subject, names } = request;
      return issue(authority, { subject, usages: wanted, names }, publicKey, clock.now(), seconds * 1000);
    },
  };
}

function readRequest(pem: string): ReadRequest {
  const block = decodePem(pem).find(
    ({ label }) => label === 'CERTIFICATE REQUEST' || label === 'NEW CERTIFICATE REQUEST',
  );
  if (block === undefined) throw new TerminalError('BAD_REQUEST_PEM', 'there is no certificate request in it');
  const request = parseRequest(block.der);
  const publicKey = readKey(request.publicKey);
  // The signature proves that whoever asks holds the private key.
  if (!isSignedBy(block.der, publicKey)) {
    throw new TerminalError(
      'BAD_REQUEST_SIGNATURE',
      'the request was not signed with the key that it asks a certificate for',
    );
  }
  return { request, publicKey };
}

function readKey(der: Buffer): KeyObject {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new TerminalError('BAD_REQUEST_KEY', 'the public key of the request cannot be read', { cause });
  }
}

function contentOf({ subject, names, emails, uris }: CertificateRequest): RequestContent {
  return {
    commonName: subject.commonName,
    organizations: subject.organizations,
    dnsNames: names.dns,
    ipAddresses: names.ips,
    otherNames: [...emails, ...uris],
  };
}

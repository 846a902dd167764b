import { createHash } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { UserInfo } from '../../kube/user.ts';
import { DerError } from '../../wire/der.ts';
import { type Certificate, parseCertificate } from '../../wire/x509.ts';
import { unauthorized } from '../errors.ts';
import { withAuthenticated } from './static-tokens.ts';

interface Known {
  readonly certificate: Certificate;
  readonly user: UserInfo | null;
}

/**
 * Client certificates that TLS verified against the client CA: the common name is the user, each organisation a group.
 * What was read is remembered with the bytes, so a connection that hands in the same array pays for it once.
 */
export class ClientCertificates {
  private readonly known = new WeakMap<Uint8Array, Known>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Null when the certificate names nobody; throws Unauthorized when it has expired or isn't for clients. */
  authenticate(der: Uint8Array): UserInfo | null {
    let known = this.known.get(der);
    if (known === undefined) {
      known = read(der);
      this.known.set(der, known);
    }
    const { certificate, user } = known;
    const now = this.clock.now();
    // A connection may outlive the certificate with which it was opened.
    if (now > certificate.notAfter || now < certificate.notBefore) throw unauthorized();
    if (!certificate.usages.includes('clientAuth')) throw unauthorized();
    return user;
  }
}

function read(der: Uint8Array): Known {
  try {
    const certificate = parseCertificate(der);
    const { commonName, organizations } = certificate.subject;
    if (commonName === '') return { certificate, user: null };
    const digest = createHash('sha256').update(der).digest('hex');
    const extra = { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${digest}`] };
    return { certificate, user: withAuthenticated({ name: commonName, groups: organizations, extra }) };
  } catch (error) {
    if (error instanceof DerError) throw unauthorized();
    throw error;
  }
}

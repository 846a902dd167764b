import { createPublicKey } from 'node:crypto';
import path from 'node:path';
import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type AltNames, addressBytes, type Certificate } from '../../wire/x509.ts';
import { ensureKey, type KeyPair, keyPem, type ReadCertificate, readCertificate } from '../pki/certificates.ts';
import { writeAtomically } from '../pki/files.ts';
import { awaitCertificate, type NodeCertificatePurpose, type PlacedOrder, placeOrder } from './certificate-request.ts';

export interface NodeCertificateOptions {
  readonly purpose: NodeCertificatePurpose;
  readonly nodeName: string;
  /** Under which names it must be valid. */
  readonly names: AltNames;
  /** `<data-dir>/agent`: holds the key (0600) and the certificate. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looked at this often, since timers can't wait for months. */
const lookEveryMs = 6 * 3_600_000;
const retryMs = 60_000;

/** When a certificate is renewed: after 70 to 90 percent of its life, as kubelet does, so that nodes don't all ask at once. */
export function renewalTime(
  { notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>,
  random: number,
): number {
  return notBefore + (notAfter - notBefore) * (0.7 + 0.2 * random);
}

/** One certificate of this node, kept in files across starts. */
export class NodeCertificate {
  readonly #options: NodeCertificateOptions;
  readonly #file: string;
  readonly #share = Math.random();
  #pair: KeyPair | undefined;
  #renewAt = 0;

  constructor(options: NodeCertificateOptions) {
    this.#options = options;
    this.#file = path.join(options.directory, options.purpose === 'client' ? 'client-kubelet' : 'serving-kubelet');
  }

  /** The certificate as it stands; undefined while there is none that holds. */
  get current(): KeyPair | undefined {
    return this.#pair;
  }

  /** Takes the kept one, if it is this node's and still valid. */
  async load(): Promise<KeyPair | undefined> {
    const key = await ensureKey(`${this.#file}.key`);
    const kept = await readCertificate(`${this.#file}.crt`);
    const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
    if (kept === undefined || !this.#holds(kept) || !kept.der.includes(publicKey)) return undefined;
    this.#keepIn(kept, { certificate: kept.text, key: keyPem(key) });
    return this.#pair;
  }

  /** Asks the cluster for one with the node's key. It is in force, but not kept until `keep`. */
  async request(client: Client, signal: AbortSignal): Promise<KeyPair> {
    const order = await this.order(client, signal);
    return await this.take(await awaitCertificate(client, order, this.#options.clock, signal));
  }

  /** Only asks; somebody else approves. */
  async order(client: Client, signal: AbortSignal): Promise<PlacedOrder> {
    const { purpose, nodeName, names } = this.#options;
    return await placeOrder(client, { purpose, nodeName, names, key: await ensureKey(`${this.#file}.key`) }, signal);
  }

  /** What was ordered is in force from now on. */
  async take(certificate: string): Promise<KeyPair> {
    this.#pair = { certificate, key: keyPem(await ensureKey(`${this.#file}.key`)) };
    return this.#pair;
  }

  async keep(): Promise<void> {
    if (this.#pair === undefined) return;
    const file = `${this.#file}.crt`;
    await writeAtomically(file, this.#pair.certificate, 0o600);
    const kept = await readCertificate(file);
    if (kept !== undefined) this.#keepIn(kept, this.#pair);
  }

  /** Renews it in time until the signal aborts; `renewed` is told of each new one. */
  async keepFresh(client: Client, renewed: (pair: KeyPair) => void, signal: AbortSignal): Promise<void> {
    const { clock, log, purpose } = this.#options;
    while (!signal.aborted) {
      let waitMs = Math.min(this.#renewAt - clock.now(), lookEveryMs);
      try {
        if (waitMs <= 0) {
          await this.request(client, signal);
          await this.keep();
          if (this.#pair !== undefined) renewed(this.#pair);
          log.info('the certificate was renewed', { purpose });
          waitMs = retryMs;
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn('the certificate could not be renewed yet', { purpose, error: describeError(error) });
        waitMs = retryMs;
      }
      // Rejects only when the signal aborts, which ends the loop.
      await clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  #holds({ certificate }: ReadCertificate): boolean {
    const { nodeName, names, clock } = this.#options;
    const ips = new Set(certificate.names.ips.map((ip) => addressBytes(ip).toString('hex')));
    return (
      certificate.subject.commonName === `system:node:${nodeName}` &&
      certificate.notAfter > clock.now() &&
      names.dns.every((dns) => certificate.names.dns.includes(dns)) &&
      names.ips.every((ip) => ips.has(addressBytes(ip).toString('hex')))
    );
  }

  #keepIn({ certificate }: ReadCertificate, pair: KeyPair): void {
    this.#pair = pair;
    this.#renewAt = renewalTime(certificate, this.#share);
  }
}

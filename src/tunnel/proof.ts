import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Binding, tunnelVersion } from '../wire/tunnel-messages.ts';

/*
 * Both ends prove that they know the token, and neither shows it: each signs both random numbers and what only the two
 * ends of one TLS connection share (RFC 9266, tls-exporter). Who sits in between with a certificate of his own shares something else
 * with each side, so the proofs don't fit, whatever the client knows about certificates.
 */

/** What a proof stands on. */
export interface Transcript {
  readonly exitNonce: string;
  readonly clientNonce: string;
  readonly binding: Binding;
  /** What the connection's two ends share; empty without encryption. */
  readonly shared: Buffer;
}

/** RFC 9266. */
export const exporterLabel = 'EXPORTER-Channel-Binding';
export const exporterBytes = 32;

/** 32 random bytes, as text. */
export function newNonce(): string {
  return randomBytes(32).toString('base64url');
}

function sign(key: string | Buffer, parts: readonly (string | Buffer)[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(createHash('sha256').update(part).digest());
  return mac.digest();
}

function over(role: string, { exitNonce, clientNonce, binding, shared }: Transcript): readonly (string | Buffer)[] {
  return [`wherry tunnel ${tunnelVersion} ${role}`, exitNonce, clientNonce, binding, shared];
}

/** That `role` knows the token. */
export function proofOf(role: 'exit' | 'client', token: string, transcript: Transcript): string {
  return sign(token, over(role, transcript)).toString('base64url');
}

/** The key with which the data connections of this session are signed. */
export function dataKeyOf(token: string, transcript: Transcript): Buffer {
  return sign(token, over('data', transcript));
}

/** That a data connection belongs to a session; each number is taken once. */
export function dataProofOf(key: Buffer, session: string, sequence: number): string {
  return sign(key, [session, String(sequence)]).toString('base64url');
}

/** Compares in a time that doesn't depend on where the two differ. */
export function sameProof(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

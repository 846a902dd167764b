import { canonicalJson } from './equality.ts';

/** Letters and digits that can't form words, which Kubernetes makes names of (k8s.io/apimachinery util/rand). */
const safeAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** FNV-1a, 32 bits. */
export function fnv32a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** Each character of `text` turned into one of the safe alphabet. */
export function safeEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) encoded += safeAlphabet.charAt(byte % safeAlphabet.length);
  return encoded;
}

/** A short hash of a template, for names and labels; `collisionCount` leads to another one when a name is taken. */
export function templateHash(template: unknown, collisionCount?: number): string {
  const salt = collisionCount === undefined ? '' : `\0${collisionCount}`;
  return safeEncode(String(fnv32a(canonicalJson(template) + salt)));
}

import { randomBytes } from 'node:crypto';

// Without vowels and look-alikes, so that no name spells a word.
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const generatedBaseLengthMax = 63 - suffixLength;

/** A name for `metadata.generateName`: the base, cut to 58 characters, and five random ones. */
export function generateName(base: string): string {
  return base.slice(0, generatedBaseLengthMax) + randomSuffix(suffixLength);
}

/** Random characters of Kubernetes' safe alphabet. */
export function randomSuffix(length: number): string {
  let suffix = '';
  while (suffix.length < length) {
    for (const byte of randomBytes(length * 2)) {
      // Bytes beyond the largest multiple of the alphabet would favour its first characters.
      if (byte < 243 && suffix.length < length) suffix += alphabet[byte % alphabet.length];
    }
  }
  return suffix;
}

import { labelBytesMax, nameBytesMax } from './constants.ts';

/** A domain name as its labels, outermost last, one character a byte (latin1); the root is empty. */
export type Labels = readonly string[];

/** A message that breaks the rules of RFC 1035. */
export class MalformedMessage extends Error {}

/** Compression pointers that one name may follow: more than any name needs. */
const pointersMax = 127;

/** Reads a name at `offset`, following compression pointers; `end` is the offset behind it. Throws MalformedMessage. */
export function readName(message: Buffer, offset: number): { readonly labels: Labels; readonly end: number } {
  const labels: string[] = [];
  let at = offset;
  let end = -1;
  let bytes = 1;
  for (let pointers = 0; ; ) {
    const length = message[at];
    if (length === undefined) throw new MalformedMessage('a name ends behind the message');
    if (length === 0) return { labels, end: end < 0 ? at + 1 : end };
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) throw new MalformedMessage('a pointer ends behind the message');
      const target = ((length & 0x3f) << 8) | low;
      if (end < 0) end = at + 2;
      // Pointers lead backwards only, so a name can't be a circle.
      pointers += 1;
      if (target >= at || pointers > pointersMax) throw new MalformedMessage('a pointer does not lead backwards');
      at = target;
      continue;
    }
    bytes += length + 1;
    if (length > labelBytesMax || bytes > nameBytesMax) throw new MalformedMessage('a name is too long');
    if (at + 1 + length > message.length) throw new MalformedMessage('a label ends behind the message');
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The offset behind the name at `offset`, without looking where pointers lead. Throws MalformedMessage. */
export function skipName(message: Buffer, offset: number): number {
  for (let at = offset; ; ) {
    const length = message[at];
    if (length === undefined) throw new MalformedMessage('a name ends behind the message');
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > labelBytesMax) throw new MalformedMessage('a label is too long');
    at += 1 + length;
  }
}

/** A name without compression. */
export function nameBytes(labels: Labels): Buffer {
  const text = labels.map((label) => String.fromCharCode(label.length) + label).join('');
  return Buffer.from(`${text}\0`, 'latin1');
}

/**
 * Parses `www.example.com`, with or without the last dot; `.` is the root. Null for what is no name: empty or too long
 * labels, more than 255 bytes. Escapes of zone files (`\.`) are not known here.
 */
export function parseName(text: string): Labels | null {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (name === '') return text === '.' ? [] : null;
  const labels = name.split('.');
  const fits = labels.every((label) => label !== '' && label.length <= labelBytesMax && /^[\x21-\x7e]+$/.test(label));
  return fits && name.length + 2 <= nameBytesMax ? labels : null;
}

/** For people: `www.example.com.`; bytes that would mislead are written as in zone files. */
export function nameText(labels: Labels): string {
  if (labels.length === 0) return '.';
  return labels
    .map((label) =>
      label.replace(/[^\x21-\x7e]|[.\\]/g, (c) =>
        c === '.' || c === '\\' ? `\\${c}` : `\\${String(c.charCodeAt(0)).padStart(3, '0')}`,
      ),
    )
    .concat('')
    .join('.');
}

/** Lower case of A to Z alone, as names are compared (RFC 4343). */
export function lowerCase(label: string): string {
  return /[A-Z]/.test(label) ? label.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : label;
}

/** Whether `labels` is `zone` or below it; both in lower case. */
export function isWithin(labels: Labels, zone: Labels): boolean {
  const start = labels.length - zone.length;
  if (start < 0) return false;
  for (let i = zone.length - 1; i >= 0; i -= 1) if (labels[start + i] !== zone[i]) return false;
  return true;
}

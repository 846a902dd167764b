/**
 * Keys as bytes whose order (memcmp, SQLite's order of BLOBs) is the order of the strings by UTF-16 code units: every
 * code unit is written by itself in the manner of UTF-8 (one to three bytes). ASCII, which is all that Kubernetes uses,
 * stays one byte a character.
 */
const ASCII = /^[\0-\x7f]*$/;

/** The bytes of `key`. */
export function encodeKey(key: string): Uint8Array {
  if (ASCII.test(key)) return Buffer.from(key, 'latin1');
  const bytes: number[] = [];
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    if (unit < 0x80) bytes.push(unit);
    else if (unit < 0x800) bytes.push(0xc0 | (unit >> 6), 0x80 | (unit & 0x3f));
    else bytes.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
  }
  return Uint8Array.from(bytes);
}

/** The string that `encodeKey` turned into `bytes`. */
export function decodeKey(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (ASCII.test(text)) return text;
  let key = '';
  for (let i = 0; i < text.length; ) {
    const first = text.charCodeAt(i);
    if (first < 0x80) {
      key += text[i];
      i += 1;
    } else if (first < 0xe0) {
      key += String.fromCharCode(((first & 0x1f) << 6) | (text.charCodeAt(i + 1) & 0x3f));
      i += 2;
    } else {
      const middle = text.charCodeAt(i + 1) & 0x3f;
      key += String.fromCharCode(((first & 0x0f) << 12) | (middle << 6) | (text.charCodeAt(i + 2) & 0x3f));
      i += 3;
    }
  }
  return key;
}

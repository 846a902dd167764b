/** The bytes of an address in canonical form: 4 or 16. */
export function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [left = '', right] = address.split('::');
  const words = (text: string) => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)));
  const before = words(left);
  const after = right === undefined ? [] : words(right);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of before.entries()) bytes.writeUInt16BE(word, index * 2);
  for (const [index, word] of after.entries()) bytes.writeUInt16BE(word, 16 - (after.length - index) * 2);
  return bytes;
}

/** The canonical form of an address (RFC 5952): the longest run of zeros, the first of equals, is left out. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start += 1) {
    let end = start;
    while (end < 8 && words[end] === 0) end += 1;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const text = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  if (best.length < 2) return text(0, 8);
  return `${text(0, best.start)}::${text(best.start + best.length, 8)}`;
}

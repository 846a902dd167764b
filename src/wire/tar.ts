/** One entry of a tar archive to be written. */
export interface TarEntry {
  /** Relative, without a leading slash; a directory's ends in `/`. */
  readonly path: string;
  readonly mode: number;
  /** Absent for directories and links. */
  readonly content?: Uint8Array;
  /** Target of a symbolic link. */
  readonly linkTo?: string;
  readonly uid?: number;
  readonly gid?: number;
}

const blockSize = 512;
const encoder = new TextEncoder();

/**
 * A ustar archive (POSIX.1-1988) of the entries in the order given, with all times 0: the same entries are the same bytes.
 * Paths longer than ustar's 255 bytes and links longer than 100 get a pax header (POSIX.1-2001).
 */
export function writeTar(entries: readonly TarEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const pax = paxRecords(entry);
    if (pax.length > 0) appendFile(parts, header('PaxHeaders/entry', 0o644, pax.length, 'x', '', 0, 0), pax);
    const type = entry.linkTo !== undefined ? '2' : entry.path.endsWith('/') ? '5' : '0';
    const content = entry.content ?? new Uint8Array(0);
    const block = header(
      entry.path,
      entry.mode,
      content.length,
      type,
      entry.linkTo ?? '',
      entry.uid ?? 0,
      entry.gid ?? 0,
    );
    appendFile(parts, block, content);
  }
  parts.push(new Uint8Array(2 * blockSize));
  return concat(parts);
}

function appendFile(parts: Uint8Array[], head: Uint8Array, content: Uint8Array): void {
  parts.push(head, content);
  const rest = content.length % blockSize;
  if (rest > 0) parts.push(new Uint8Array(blockSize - rest));
}

function header(
  path: string,
  mode: number,
  size: number,
  type: string,
  linkTo: string,
  uid: number,
  gid: number,
): Uint8Array {
  const block = new Uint8Array(blockSize);
  const { name, prefix } = splitPath(path);
  const text = (value: string, offset: number, length: number) => {
    block.set(encoder.encode(value).subarray(0, length), offset);
  };
  const octal = (value: number, offset: number, length: number) => {
    text(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, length);
  };
  text(name, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  text('        ', 148, 8);
  text(type, 156, 1);
  text(linkTo, 157, 100);
  text('ustar\x0000', 257, 8);
  text(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}

/** ustar splits a path of more than 100 bytes at a slash into a prefix of at most 155 bytes and a name. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  if (encoder.encode(path).length <= 100) return { name: path, prefix: '' };
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (name !== '' && encoder.encode(prefix).length <= 155 && encoder.encode(name).length <= 100)
      return { name, prefix };
  }
  return { name: path.slice(-100), prefix: '' };
}

function paxRecords(entry: TarEntry): Uint8Array {
  const { name, prefix } = splitPath(entry.path);
  let records = '';
  if ((prefix === '' ? name : `${prefix}/${name}`) !== entry.path) records += paxRecord('path', entry.path);
  if (entry.linkTo !== undefined && encoder.encode(entry.linkTo).length > 100)
    records += paxRecord('linkpath', entry.linkTo);
  return encoder.encode(records);
}

/** `length key=value\n`, where length counts its own digits too. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = encoder.encode(rest).length;
  let length = bytes + String(bytes).length;
  if (String(length).length > String(bytes).length) length = bytes + String(length).length;
  return `${length}${rest}`;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

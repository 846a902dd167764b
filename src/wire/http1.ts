/**
 * Requests of HTTP/1.1 and 1.0 as they stand on the wire (RFC 9112), read strictly: what two readers could understand in
 * two ways is refused, so that nobody in front of us sees other requests than we do.
 */

/** A request that is refused before anybody looks at what it asks. `code` is the answer's status. */
export class Http1Error extends Error {
  override readonly name = 'Http1Error';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** How long a request's body is: so many bytes, or until its last chunk. */
export type Framing = { readonly type: 'length'; readonly bytes: number } | { readonly type: 'chunked' };

/** Everything before a request's body. */
export interface RequestHead {
  readonly method: string;
  /** As sent: path and query, or a whole URL. */
  readonly target: string;
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minorVersion: 0 | 1;
  readonly headers: HeaderFields;
  readonly framing: Framing;
  /** The connection ends with this request's answer. */
  readonly isLast: boolean;
  /** The client asks to leave HTTP on this connection. */
  readonly isUpgrade: boolean;
  /** The client waits for 100 Continue before it sends the body. */
  readonly awaitsContinue: boolean;
}

/** Header fields in the order in which they came. */
export class HeaderFields {
  /** Name, value, name, value, ...; names as sent. */
  readonly raw: readonly string[];
  readonly #names: readonly string[];

  constructor(raw: readonly string[], lowerCaseNames: readonly string[]) {
    this.raw = raw;
    this.#names = lowerCaseNames;
  }

  /** The value of the field with this lower-case name; several are joined by commas. Undefined when it is absent. */
  get(name: string): string | undefined {
    const names = this.#names;
    let found: string | undefined;
    for (let index = 0; index < names.length; index += 1) {
      if (names[index] !== name) continue;
      const value = this.raw[index * 2 + 1] ?? '';
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  /** Whether a field's lower-case name begins so. */
  hasPrefix(prefix: string): boolean {
    for (const name of this.#names) if (name.startsWith(prefix)) return true;
    return false;
  }

  /** All values by lower-case name. */
  distinct(): Readonly<Record<string, readonly string[]>> {
    const all: Record<string, string[]> = Object.create(null);
    for (const [index, name] of this.#names.entries()) {
      const values = all[name] ?? [];
      values.push(this.raw[index * 2 + 1] ?? '');
      all[name] = values;
    }
    return all;
  }
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// Line ends are taken apart before, so whatever is left of CR, LF and other control characters but the tab is wrong.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const forbidden = /[\x00-\x08\x0a-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const badTarget = /[\x00-\x20\x7f]/;

/** Reads the bytes before the empty line, as latin1 text without it. Throws Http1Error. */
export function parseRequestHead(text: string): RequestHead {
  let end = text.indexOf('\r\n');
  const line = end < 0 ? text : text.slice(0, end);
  const { method, target, minorVersion } = parseRequestLine(line);
  const raw: string[] = [];
  const names: string[] = [];
  while (end >= 0) {
    const start = end + 2;
    end = text.indexOf('\r\n', start);
    const stop = end < 0 ? text.length : end;
    const colon = text.indexOf(':', start);
    if (colon < 0 || colon >= stop) throw new Http1Error(400, 'a header line has no colon');
    const name = text.slice(start, colon);
    if (!token.test(name)) throw new Http1Error(400, 'a header name has a character that is not allowed in it');
    const value = withoutSpaces(text, colon + 1, stop);
    if (forbidden.test(value)) throw new Http1Error(400, 'a header value has a control character');
    raw.push(name, value);
    names.push(name.toLowerCase());
  }
  const headers = new HeaderFields(raw, names);
  if (minorVersion === 1 && countOf(names, 'host') !== 1) throw new Http1Error(400, 'one Host header is needed');
  const connection = headers.get('connection')?.toLowerCase() ?? '';
  const options = connection === '' ? [] : connection.split(',').map((option) => option.trim());
  const expectation = headers.get('expect')?.toLowerCase();
  if (expectation !== undefined && expectation !== '100-continue') {
    throw new Http1Error(417, 'the expectation is not known');
  }
  return {
    ...{ method, target, minorVersion, headers },
    framing: framingOf(headers, names, minorVersion),
    isLast: minorVersion === 1 ? options.includes('close') : !options.includes('keep-alive'),
    isUpgrade: minorVersion === 1 && options.includes('upgrade') && headers.get('upgrade') !== undefined,
    awaitsContinue: minorVersion === 1 && expectation !== undefined,
  };
}

// Space and tab alone: what else is called white is part of the value, or forbidden.
function withoutSpaces(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function parseRequestLine(line: string): Pick<RequestHead, 'method' | 'target' | 'minorVersion'> {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  if (first <= 0 || second < 0) throw new Http1Error(400, 'the request line is not one');
  const method = line.slice(0, first);
  const target = line.slice(first + 1, second);
  const version = line.slice(second + 1);
  if (!token.test(method)) throw new Http1Error(400, 'the method is not a token');
  if (target === '' || badTarget.test(target)) throw new Http1Error(400, 'the target has a character of none');
  if (version === 'HTTP/1.1') return { method, target, minorVersion: 1 };
  if (version === 'HTTP/1.0') return { method, target, minorVersion: 0 };
  if (/^HTTP\/\d\.\d$/.test(version)) throw new Http1Error(505, 'HTTP/1.1 is spoken here');
  throw new Http1Error(400, 'the request line does not end with a version of HTTP');
}

const nothing: Framing = { type: 'length', bytes: 0 };

// RFC 9112, 6.3. Requests with both lengths are how requests are smuggled past others.
function framingOf(headers: HeaderFields, names: readonly string[], minorVersion: 0 | 1): Framing {
  const encoding = headers.get('transfer-encoding');
  const length = headers.get('content-length');
  if (encoding !== undefined) {
    if (length !== undefined) throw new Http1Error(400, 'Transfer-Encoding and Content-Length exclude each other');
    if (minorVersion === 0) throw new Http1Error(400, 'HTTP/1.0 has no Transfer-Encoding');
    if (encoding.toLowerCase() !== 'chunked') throw new Http1Error(501, 'chunked is the only Transfer-Encoding here');
    return { type: 'chunked' };
  }
  if (length === undefined) return nothing;
  if (countOf(names, 'content-length') > 1 || !/^\d{1,15}$/.test(length)) {
    throw new Http1Error(400, 'Content-Length is not one number');
  }
  return length === '0' ? nothing : { type: 'length', bytes: Number(length) };
}

function countOf(names: readonly string[], name: string): number {
  let count = 0;
  for (const other of names) if (other === name) count += 1;
  return count;
}

/** Longest line that tells a chunk's size, with its extensions, bytes; the same for each line of a trailer. */
const chunkLineBytesMax = 1024;
const trailerLinesMax = 64;

/** Takes a body in chunks apart (RFC 9112, 7.1). Extensions and trailers are read over. */
export class ChunkedDecoder {
  #state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size';
  #line = '';
  #left = 0;
  #trailerLines = 0;

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /**
   * Takes bytes and hands those of the body on, without copying. Returns how many were taken: fewer than there are when
   * the body ended within them. Throws Http1Error.
   */
  push(bytes: Buffer, onData: (part: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const part = bytes.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        if (this.#left === 0) this.#state = 'data-end';
        onData(part);
        continue;
      }
      const newline = bytes.indexOf(0x0a, at);
      const stop = newline < 0 ? bytes.length : newline + 1;
      if (this.#line.length + stop - at > chunkLineBytesMax)
        throw new Http1Error(400, 'a line between chunks is too long');
      this.#line += bytes.toString('latin1', at, stop);
      at = stop;
      if (newline < 0) break;
      if (!this.#line.endsWith('\r\n')) throw new Http1Error(400, 'a line between chunks does not end with CR LF');
      const line = this.#line.slice(0, -2);
      this.#line = '';
      this.#endLine(line);
    }
    return at;
  }

  #endLine(line: string): void {
    if (forbidden.test(line)) throw new Http1Error(400, 'a line between chunks has a control character');
    if (this.#state === 'data-end') {
      if (line !== '') throw new Http1Error(400, 'a chunk is longer than it says');
      this.#state = 'size';
      return;
    }
    if (this.#state === 'trailer') {
      this.#trailerLines += 1;
      if (line === '') this.#state = 'done';
      else if (this.#trailerLines > trailerLinesMax) throw new Http1Error(431, 'the trailer has too many lines');
      return;
    }
    const size = /^([0-9a-fA-F]{1,8})(?:[\t ]*;.*)?$/.exec(line)?.[1];
    if (size === undefined) throw new Http1Error(400, 'the size of a chunk is not a hexadecimal number');
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'data';
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const unsendable = /[\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]/;

/** Lines of a head, each with its end. Throws TypeError for a value that would break out of its line. */
export function headerLines(headers: Readonly<Record<string, string | number | readonly string[]>>): string {
  let lines = '';
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined) continue;
    if (typeof value === 'object') for (const one of value) lines += headerLine(name, one);
    else lines += headerLine(name, String(value));
  }
  return lines;
}

function headerLine(name: string, value: string): string {
  if (!token.test(name) || unsendable.test(value)) {
    throw new TypeError(`the header ${JSON.stringify(name)} can't be sent with the value ${JSON.stringify(value)}`);
  }
  return `${name}: ${value}\r\n`;
}

import { constants, createInflate, type Inflate } from 'node:zlib';
import { SpdyError } from './spdy.ts';

/** Names in lower case; a name may have several values. */
export type SpdyHeaders = Readonly<Record<string, readonly string[]>>;

/** Bytes that a header block may have once it is decompressed. */
const blockBytesMax = 256 * 1024;

const dictionaryWords = [
  ...['options', 'head', 'post', 'put', 'delete', 'trace', 'accept', 'accept-charset', 'accept-encoding'],
  ...['accept-language', 'accept-ranges', 'age', 'allow', 'authorization', 'cache-control', 'connection'],
  ...['content-base', 'content-encoding', 'content-language', 'content-length', 'content-location', 'content-md5'],
  ...['content-range', 'content-type', 'date', 'etag', 'expect', 'expires', 'from', 'host', 'if-match'],
  ...['if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified', 'location'],
  ...['max-forwards', 'pragma', 'proxy-authenticate', 'proxy-authorization', 'range', 'referer', 'retry-after'],
  ...['server', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent', 'vary', 'via', 'warning'],
  ...['www-authenticate', 'method', 'get', 'status', '200 OK', 'version', 'HTTP/1.1', 'url', 'public'],
  ...['set-cookie', 'keep-alive', 'origin'],
];
const dictionaryTail = [
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505',
  '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized',
  '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable',
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT',
  'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,',
  'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.',
];

/** The text with which both ends prime their compression (SPDY draft 3, section 2.6.10.1). */
export const headerDictionary = Buffer.concat([
  ...dictionaryWords.map((word) => Buffer.concat([uint32(word.length), Buffer.from(word)])),
  Buffer.from(dictionaryTail.join('')),
]);

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value, 0);
  return buffer;
}

/** The first two bytes of a zlib stream without a dictionary. */
const zlibHeader = Buffer.from([0x78, 0x01]);
/** An empty stored block: tells an inflater to hand out what it has. */
const flush = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);
/** The longest stored block. */
const storedBytesMax = 0xffff;

/** Writes a connection's header blocks, which together are one zlib stream. They are short, so they are stored and not compressed. */
export class SpdyHeaderWriter {
  #isFirst = true;

  encode(headers: SpdyHeaders): Buffer {
    const plain = encodeBlock(headers);
    const parts: Buffer[] = this.#isFirst ? [zlibHeader] : [];
    this.#isFirst = false;
    for (let start = 0; start < plain.length; start += storedBytesMax) {
      const piece = plain.subarray(start, start + storedBytesMax);
      const header = Buffer.alloc(5);
      header.writeUInt16LE(piece.length, 1);
      header.writeUInt16LE(piece.length ^ 0xffff, 3);
      parts.push(header, piece);
    }
    return Buffer.concat([...parts, flush]);
  }
}

function encodeBlock(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers);
  const parts = [uint32(entries.length)];
  for (const [name, values] of entries) {
    const [key, value] = [Buffer.from(name.toLowerCase()), Buffer.from(values.join('\0'))];
    parts.push(uint32(key.length), key, uint32(value.length), value);
  }
  return Buffer.concat(parts);
}

/** Reads a connection's header blocks, in the order in which they came: each needs those before it. */
export class SpdyHeaderReader implements Disposable {
  readonly #inflate: Inflate = createInflate({ dictionary: headerDictionary, flush: constants.Z_SYNC_FLUSH });
  readonly #failed: Promise<never>;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor() {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#failed = promise;
    // Whoever decodes hears of it; nobody need be decoding at this moment.
    promise.catch(() => {});
    this.#inflate.on('error', (cause) => reject(new SpdyError('a header block can not be decompressed', cause)));
    this.#inflate.on('close', () => reject(new SpdyError('the header reader is closed')));
    this.#inflate.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      if (this.#size > blockBytesMax) reject(new SpdyError(`a header block of more than ${blockBytesMax} bytes`));
      if (this.#size > blockBytesMax) this.#inflate.destroy();
    });
  }

  /** One at a time. Throws SpdyError. */
  async decode(block: Buffer): Promise<SpdyHeaders> {
    this.#chunks = [];
    this.#size = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#inflate.destroyed) return this.#failed;
    this.#inflate.write(block, () => resolve());
    await Promise.race([promise, this.#failed]);
    return decodeBlock(Buffer.concat(this.#chunks));
  }

  [Symbol.dispose](): void {
    this.#inflate.destroy();
  }
}

function decodeBlock(bytes: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    if (at + 4 > bytes.length) throw new SpdyError('a header block ends too early');
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > bytes.length) throw new SpdyError('a header block ends too early');
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const headers: Record<string, readonly string[]> = {};
  const count = number();
  // Each takes at least eight bytes; a larger count is a lie.
  if (count * 8 > bytes.length) throw new SpdyError(`${count} headers do not fit ${bytes.length} bytes`);
  for (let index = 0; index < count; index += 1) {
    const name = text();
    headers[name.toLowerCase()] = text().split('\0');
  }
  return headers;
}

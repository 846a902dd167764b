import type { TLSSocket } from 'node:tls';
import { Http1Error, parseRequestHead, type RequestHead } from '../../wire/http1.ts';
import { badRequest } from '../errors.ts';
import { type Exchange, stalledResponseMs } from './exchange.ts';
import { Http1Exchange } from './http1-exchange.ts';
import { RequestBody, readAheadBytes } from './request-body.ts';

/** Request line and headers together, bytes. */
export const headBytesMax = 32 * 1024;

/** What a connection needs of its server. */
export interface Http1Host {
  readonly bodyBytes: number;
  readonly headersTimeoutMs: number;
  readonly receiveTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  monotonic(): number;
  /** A request has come; the answer goes to the exchange, now or later. */
  serve(exchange: Exchange): void;
  /** What is answered to bytes that are no request; text of a whole answer. */
  refusal(error: Http1Error, head: string): string;
}

type Deadline = 'head' | 'request' | 'idle' | 'linger' | 'none';

/** How long a client may take to read its last answer and close its side. */
const lingerMs = 2000;

/**
 * One TLS connection that speaks HTTP/1.1 or 1.0: requests one after the other, pipelined ones too. Written for the two
 * kinds of requests that an API server gets most, small ones that are answered at once and watches: both take
 * one write to the socket for what is sent, and no stream of their own (ADR 0026).
 */
export class Http1Connection {
  readonly socket: TLSSocket;
  readonly #host: Http1Host;
  /** Bytes that nobody has read yet. */
  #pending: Buffer | undefined;
  #exchange: Http1Exchange | undefined;
  #body: RequestBody | undefined;
  #isReading = false;
  #isEnding = false;
  #hasEnded = false;
  #deadline: Deadline = 'head';
  #deadlineAt: number;
  #stallsAt = Number.POSITIVE_INFINITY;
  #written = 0;

  constructor(socket: TLSSocket, host: Http1Host) {
    this.socket = socket;
    this.#host = host;
    this.#deadlineAt = host.monotonic() + host.headersTimeoutMs;
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.once('close', this.#onClose);
  }

  /** Closes the connection when it is too late for what it waits for. Called from time to time. */
  checkDeadline(now: number): void {
    if (now >= this.#deadlineAt) {
      if (this.#deadline !== 'head' || this.#pending === undefined) this.socket.destroy();
      else this.#refuse(new Http1Error(408, 'the request did not come in time'), '');
      this.#expect('none');
      return;
    }
    if (this.#stallsAt === Number.POSITIVE_INFINITY) return;
    if (this.socket.writableLength === 0) this.#stallsAt = Number.POSITIVE_INFINITY;
    else if (this.socket.bytesWritten !== this.#written) this.boundStall();
    else if (now >= this.#stallsAt) this.socket.destroy();
  }

  /** From now on the client must read something of what was sent, or is cut off. */
  boundStall(): void {
    this.#written = this.socket.bytesWritten;
    this.#stallsAt = this.#host.monotonic() + stalledResponseMs;
  }

  /** Ends the connection as soon as the answer under way is sent. */
  endSoon(): void {
    this.#isEnding = true;
    if (this.#exchange === undefined) this.#linger();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#body !== undefined) {
      const taken = this.#pushBody(this.#body, bytes);
      if (taken === bytes.length) return;
      this.#keep(bytes.subarray(taken));
    } else {
      this.#keep(bytes);
    }
    this.#read();
  };

  #keep(bytes: Buffer): void {
    this.#pending = this.#pending === undefined ? bytes : Buffer.concat([this.#pending, bytes]);
    if (this.#exchange !== undefined && this.#pending.length > readAheadBytes) this.socket.pause();
  }

  // Begins requests as long as there are any and the one before is answered.
  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#exchange === undefined && this.#pending !== undefined && !this.#isEnding) {
      if (this.socket.writableNeedDrain || !this.#begin(this.#pending)) break;
    }
    this.#isReading = false;
    if (this.#hasEnded) this.#finishHalfClosed();
  }

  // False when more bytes are needed, or the connection has another use now.
  #begin(pending: Buffer): boolean {
    let start = 0;
    // RFC 9112, 2.2: an empty line before a request is passed over.
    while (pending[start] === 0x0d && pending[start + 1] === 0x0a) start += 2;
    const end = pending.indexOf('\r\n\r\n', start, 'latin1');
    if (end < 0) {
      if (pending.length - start > headBytesMax) {
        this.#refuse(new Http1Error(431, 'the request has too many or too long headers'), '');
      } else if (this.#deadline !== 'head') this.#expect('head');
      return false;
    }
    const text = pending.toString('latin1', start, end);
    let head: RequestHead;
    try {
      if (text.length > headBytesMax) throw new Http1Error(431, 'the headers are too long');
      head = parseRequestHead(text);
    } catch (thrown) {
      if (!(thrown instanceof Http1Error)) throw thrown;
      this.#refuse(thrown, text);
      return false;
    }
    const rest = end + 4 < pending.length ? pending.subarray(end + 4) : undefined;
    this.#pending = rest;
    if (head.isUpgrade && head.framing.type === 'length' && head.framing.bytes === 0) {
      this.#leave(head);
      return false;
    }
    this.#serve(head);
    return true;
  }

  #serve(head: RequestHead): void {
    const body = new RequestBody(head.framing, this.#host.bodyBytes);
    if (!body.isComplete) {
      this.#body = body;
      this.#expect('request');
      const pending = this.#pending;
      if (pending !== undefined) {
        this.#pending = undefined;
        const taken = this.#pushBody(body, pending);
        if (this.#isEnding) return;
        if (taken < pending.length) this.#pending = pending.subarray(taken);
      }
    }
    if (body.isComplete) this.#expect('none');
    if (head.isLast) this.#isEnding = true;
    const exchange = new Http1Exchange(this, head, body);
    this.#exchange = exchange;
    this.#host.serve(exchange);
  }

  // How many of the bytes belonged to the body.
  #pushBody(body: RequestBody, bytes: Buffer): number {
    let taken: number;
    try {
      taken = body.push(bytes);
    } catch (thrown) {
      if (!(thrown instanceof Http1Error)) throw thrown;
      body.fail(badRequest(thrown.message));
      this.#body = undefined;
      this.#isEnding = true;
      if (this.#exchange === undefined) this.#refuse(thrown, '');
      return bytes.length;
    }
    if (body.isComplete) {
      this.#body = undefined;
      this.#expect('none');
      if (this.#exchange === undefined) this.#expect('idle');
    } else if (body.isUnwanted) this.socket.pause();
    return taken;
  }

  /** The handler wants the body: its rest is read, and the client told so if it waits for that. */
  wantBody(head: RequestHead, body: RequestBody): void {
    if (body.isComplete) return;
    if (head.awaitsContinue && body.isUntouched) this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    this.socket.resume();
  }

  /** The answer is written. */
  finish(exchange: Http1Exchange, mustClose: boolean): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    if (mustClose || this.#isEnding) {
      this.#isEnding = true;
      this.#linger();
      return;
    }
    if (this.#body !== undefined) {
      // Nobody asked for the rest of the body: it is read over, so that the client gets to read the answer.
      this.#body.discard();
      this.socket.resume();
      return;
    }
    this.#expect('idle');
    if (this.socket.isPaused()) this.socket.resume();
    if (this.#pending !== undefined || this.#hasEnded) this.#read();
  }

  // The client gets to read its answer: a socket that is closed while something comes in takes back what it has sent.
  #linger(): void {
    const { socket } = this;
    socket.off('data', this.#onData);
    this.#pending = undefined;
    this.#body = undefined;
    if (this.#hasEnded) {
      socket.destroySoon();
      return;
    }
    this.#expect('linger');
    socket.end();
    socket.resume();
  }

  // The connection is the handler's: it speaks HTTP no more once it was upgraded.
  #leave(head: RequestHead): void {
    const { socket } = this;
    socket.pause();
    socket.off('data', this.#onData);
    socket.off('drain', this.#onDrain);
    socket.off('end', this.#onEnd);
    this.#expect('none');
    this.#isEnding = true;
    const rest = this.#pending ?? Buffer.alloc(0);
    this.#pending = undefined;
    const exchange = new Http1Exchange(this, head, new RequestBody(head.framing, 0), rest);
    this.#exchange = exchange;
    this.#host.serve(exchange);
  }

  #refuse(error: Http1Error, head: string): void {
    this.#isEnding = true;
    this.#expect('none');
    if (this.socket.writable) this.socket.write(this.#host.refusal(error, head));
    this.#linger();
  }

  #expect(deadline: Deadline): void {
    this.#deadline = deadline;
    const { headersTimeoutMs, receiveTimeoutMs, keepAliveTimeoutMs } = this.#host;
    if (deadline === 'none') this.#deadlineAt = Number.POSITIVE_INFINITY;
    else {
      const waits = { head: headersTimeoutMs, request: receiveTimeoutMs, idle: keepAliveTimeoutMs, linger: lingerMs };
      this.#deadlineAt = this.#host.monotonic() + waits[deadline];
    }
  }

  readonly #onDrain = (): void => {
    if (this.#exchange === undefined) this.#read();
  };

  // The client sends nothing more; it may well read on.
  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.#body !== undefined) {
      this.#body.fail(badRequest('unexpected EOF'));
      this.#body = undefined;
      this.#isEnding = true;
    }
    this.#read();
  };

  #finishHalfClosed(): void {
    if (this.#exchange === undefined) this.socket.destroySoon();
  }

  readonly #onError = (): void => {
    this.socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#expect('none');
    this.#body?.fail(badRequest('unexpected EOF'));
    this.#body = undefined;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.closed();
  };
}

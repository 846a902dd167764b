import { Duplex } from 'node:stream';
import { toError } from '../core/errors.ts';
import { encodeSpdyFrame, SpdyDecoder, SpdyError, type SpdyFrame } from './spdy.ts';
import { SpdyHeaderReader, type SpdyHeaders, SpdyHeaderWriter } from './spdy-headers.ts';

/** Bytes of one data frame that this side writes. */
const dataFrameBytes = 32 * 1024;
/** Streams that a peer may have open at the same time. */
const streamsMax = 1024;
/** RST_STREAM's status for a stream that is no longer wanted. */
const cancel = 5;
const refusedStream = 3;

export interface SpdySessionOptions {
  /** The side that opened the connection has odd stream ids. */
  readonly role: 'client' | 'server';
  /** Called for each stream that the peer opens; it is accepted unless this returns false. */
  readonly onStream?: (stream: SpdyStream) => boolean;
}

/**
 * SPDY/3.1 over a connection that was upgraded. As Kubernetes' own implementation has it, there are no windows: a stream whose
 * reader is slow holds the whole connection up, and with it the sender.
 */
export class SpdySession implements Disposable {
  readonly #socket: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #decoder = new SpdyDecoder();
  readonly #headerReader = new SpdyHeaderReader();
  readonly #headerWriter = new SpdyHeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #ended = Promise.withResolvers<void>();
  #nextId: number;
  #isOver = false;

  constructor(socket: Duplex, options: SpdySessionOptions, head: Buffer = Buffer.alloc(0)) {
    this.#socket = socket;
    this.#options = options;
    this.#nextId = options.role === 'client' ? 1 : 2;
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(undefined));
    if (head.length > 0) socket.unshift(head);
    void this.#read();
  }

  /** Resolves when the connection is no more; never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  createStream(headers: SpdyHeaders): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(id, headers, this.#link(id));
    this.#streams.set(id, stream);
    const block = this.#headerWriter.encode(headers);
    const flags = { fin: false, unidirectional: false, associatedId: 0, priority: 0 };
    this.#write({ type: 'syn-stream', streamId: id, ...flags, block });
    if (this.#isOver) stream.destroy(new SpdyError('the connection is closed'));
    return stream;
  }

  /** Says goodbye, and closes the connection when that was written. */
  close(): void {
    if (this.#isOver) return;
    this.#write({ type: 'goaway', lastStreamId: 0, status: 0 });
    // What was written is sent; nothing more is read.
    this.#socket.end(() => this.#socket.destroy());
    this.#end(undefined);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
    this.#end(undefined);
  }

  async #read(): Promise<void> {
    try {
      // Reads no further than streams take it: that is the back-pressure.
      for await (const chunk of this.#socket) {
        for (const frame of this.#decoder.push(chunk as Buffer)) await this.#take(frame);
      }
      this.#end(undefined);
    } catch (thrown) {
      this.#end(toError(thrown));
    }
  }

  async #take(frame: SpdyFrame): Promise<void> {
    switch (frame.type) {
      case 'data':
        await this.#streams.get(frame.streamId)?.receive(frame.data, frame.fin);
        return;
      case 'syn-stream':
        await this.#accept(frame);
        return;
      case 'syn-reply':
      case 'headers': {
        const headers = await this.#headerReader.decode(frame.block);
        const stream = this.#streams.get(frame.streamId);
        if (frame.type === 'syn-reply') stream?.replied(headers);
        if (frame.fin) await stream?.receive(Buffer.alloc(0), true);
        return;
      }
      case 'rst-stream':
        this.#streams.get(frame.streamId)?.reset();
        return;
      case 'ping':
        // Ours are answered by themselves: the parity of the id says whose it is.
        if ((frame.id % 2 === 0) === (this.#options.role === 'client')) this.#write(frame);
        return;
      case 'goaway':
      case 'settings':
      case 'window-update':
        return;
    }
  }

  async #accept(frame: Extract<SpdyFrame, { readonly type: 'syn-stream' }>): Promise<void> {
    const headers = await this.#headerReader.decode(frame.block);
    const { streamId } = frame;
    const isTheirs = (streamId % 2 === 1) === (this.#options.role === 'server');
    if (!isTheirs || streamId === 0 || this.#streams.has(streamId))
      throw new SpdyError(`the peer may not open stream ${streamId}`);
    const stream = new SpdyStream(streamId, headers, this.#link(streamId), true);
    if (this.#streams.size >= streamsMax || this.#options.onStream?.(stream) !== true) {
      this.#write({ type: 'rst-stream', streamId, status: refusedStream });
      return;
    }
    this.#streams.set(streamId, stream);
    this.#write({ type: 'syn-reply', streamId, fin: false, block: this.#headerWriter.encode({}) });
    if (frame.fin) await stream.receive(Buffer.alloc(0), true);
  }

  #link(id: number): StreamLink {
    return {
      write: (data, fin, written) => {
        const isRoom = this.#write({ type: 'data', streamId: id, fin, data });
        if (isRoom || this.#isOver) written();
        else this.#afterDrain(written);
      },
      closed: (wasReset) => {
        if (!this.#streams.delete(id) || !wasReset) return;
        this.#write({ type: 'rst-stream', streamId: id, status: cancel });
      },
    };
  }

  #afterDrain(written: () => void): void {
    const done = () => {
      this.#socket.off('drain', done);
      this.#socket.off('close', done);
      written();
    };
    this.#socket.on('drain', done);
    this.#socket.on('close', done);
  }

  #write(frame: SpdyFrame): boolean {
    if (this.#isOver || !this.#socket.writable) return true;
    return this.#socket.write(encodeSpdyFrame(frame));
  }

  #end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.lost(error);
    this.#headerReader[Symbol.dispose]();
    if (error !== undefined) this.#socket.destroy();
    this.#ended.resolve();
  }
}

interface StreamLink {
  write(data: Buffer, fin: boolean, written: () => void): void;
  closed(wasReset: boolean): void;
}

/** One stream of a session. Ending it closes our half only; destroying it resets it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #link: StreamLink;
  readonly #reply = Promise.withResolvers<SpdyHeaders>();
  #resume: (() => void) | undefined;
  #isReset = false;
  /** The peer has ended its half. */
  #isEnded = false;
  #isAccepted: boolean;

  constructor(id: number, headers: SpdyHeaders, link: StreamLink, isAccepted = false) {
    super({ allowHalfOpen: true, highWaterMark: 64 * 1024 });
    this.id = id;
    this.#isAccepted = isAccepted;
    this.headers = headers;
    this.#link = link;
    // Nobody need wait for the reply.
    this.#reply.promise.catch(() => {});
    // A stream that breaks tells those that listen; it must not end the process where nobody does.
    this.on('error', () => {});
  }

  /** The headers with which the peer accepted the stream. */
  get reply(): Promise<SpdyHeaders> {
    return this.#reply.promise;
  }

  /** For the session: bytes that came. Resolves when there is room for more. */
  receive(data: Buffer, fin: boolean): Promise<void> | undefined {
    if (this.destroyed || this.#isEnded) return undefined;
    const isRoom = data.length === 0 || this.push(data);
    if (fin) this.push(null);
    this.#isEnded = fin;
    if (isRoom || fin) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    return promise;
  }

  /** For the session. */
  replied(headers: SpdyHeaders): void {
    this.#isAccepted = true;
    this.#reply.resolve(headers);
  }

  /**
   * For the session: the peer does not want the stream any more. Kubernetes' servers end all streams so when they are done;
   * what they sent before still reaches its reader.
   */
  reset(): void {
    if (!this.#isAccepted) this.#fail(new SpdyError(`stream ${this.id} was refused by the peer`));
    else this.#finish();
  }

  /** For the session: the connection is gone, in order or (with an error) not. */
  lost(error: Error | undefined): void {
    if (error !== undefined || !this.#isAccepted) this.#fail(error ?? new SpdyError('the connection is closed'));
    else this.#finish();
  }

  #fail(error: Error): void {
    this.#isReset = true;
    if (!this.readableEnded || !this.writableFinished) this.destroy(error);
  }

  #finish(): void {
    this.#isReset = true;
    if (!this.#isEnded) this.push(null);
    this.#isEnded = true;
    if (!this.writableEnded) this.end();
  }

  override _read(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // Nobody takes it any more.
    if (this.#isReset) callback();
    else this.#send(chunk, 0, callback);
  }

  #send(chunk: Buffer, start: number, callback: () => void): void {
    const end = Math.min(start + dataFrameBytes, chunk.length);
    this.#link.write(chunk.subarray(start, end), false, () => {
      if (end >= chunk.length || this.destroyed) callback();
      else this.#send(chunk, end, callback);
    });
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#isReset) callback();
    else this.#link.write(Buffer.alloc(0), true, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#resume?.();
    this.#reply.reject(error ?? new SpdyError(`stream ${this.id} is closed`));
    const isWhole = this.readableEnded && this.writableFinished;
    this.#link.closed(!this.#isReset && !isWhole);
    callback(error);
  }
}

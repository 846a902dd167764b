import type { AgentOptions, ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { assert } from '../../core/assert.ts';
import { toError } from '../../core/errors.ts';
import { Agent } from '../../core/node-http.ts';
import type { OpenNotice } from '../../wire/tunnel-frames.ts';

/** Connections to upstreams of one client that are kept for the next request. */
const freeConnectionsMax = 256;
/** How long they are kept, milliseconds. */
const freeTimeoutMs = 30_000;

const options: AgentOptions = { keepAlive: true, maxFreeSockets: freeConnectionsMax, timeout: freeTimeoutMs };

/** A request's way: its stream is opened by this notice unless one to the same place is free. */
export interface StreamRequest extends ClientRequestArgs {
  readonly notice: OpenNotice;
}

/** Keeps streams to a client's HTTP upstreams, as a browser keeps connections. */
export class StreamAgent extends Agent {
  readonly #open: (notice: OpenNotice) => Promise<Duplex>;

  constructor(open: (notice: OpenNotice) => Promise<Duplex>) {
    super(options);
    this.#open = open;
  }

  /** What the request needs to be told apart by: two routes never share a stream. */
  override getName(request?: ClientRequestArgs): string {
    const { route, host = '' } = noticeOf(request);
    return `${route} ${host}`;
  }

  override createConnection(
    request: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const answer = callback as ((error: Error | null, stream?: Duplex) => void) | undefined;
    this.#open(noticeOf(request)).then(
      (stream) => answer?.(null, stream),
      (error: unknown) => answer?.(toError(error)),
    );
    return undefined;
  }
}

function noticeOf(request: ClientRequestArgs | undefined): OpenNotice {
  assert(request !== undefined && 'notice' in request, 'each request names its stream');
  return (request as StreamRequest).notice;
}

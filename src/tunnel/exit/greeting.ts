import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { WebSocket } from 'ws';
import type { Clock } from '../../core/clock.ts';
import { TransientError, WherryError } from '../../core/errors.ts';
import { type Binding, type ClientMessage, parseClientMessage, tunnelVersion } from '../../wire/tunnel-messages.ts';
import type { Attempts } from '../attempts.ts';
import { dataKeyOf, exporterBytes, exporterLabel, newNonce, proofOf, type Transcript } from '../proof.ts';
import type { Accounts } from './accounts.ts';
import { plainAddress } from './forwarded.ts';
import type { SessionFacts } from './session.ts';

/** A client's time to prove that it knows a token. */
const authTimeoutMs = 10_000;

export interface Greeted {
  readonly facts: SessionFacts;
  /** That this exit knows the token too. */
  readonly proof: string;
}

/** What a connection's two ends share; none without TLS 1.3. */
export function bindingOf({ socket }: Pick<IncomingMessage, 'socket'>): { binding: Binding; shared: Buffer } {
  if (!(socket instanceof TLSSocket)) return { binding: 'none', shared: Buffer.alloc(0) };
  // Earlier versions don't bind what is exported to the certificate (RFC 9266, 4.2).
  if (socket.getProtocol() !== 'TLSv1.3')
    throw new WherryError('TUNNEL_TLS', 'a tunnel needs TLS 1.3', { hint: 'let the proxy in between speak TLS 1.3' });
  return {
    binding: 'tls-exporter',
    shared: socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)),
  };
}

/** Lets a client prove that it knows a token. Throws WherryError when it does not; what the client is told is in it. */
export async function greet(
  socket: WebSocket,
  request: IncomingMessage,
  accounts: Accounts,
  attempts: Attempts,
  clock: Clock,
): Promise<Greeted> {
  const address = plainAddress(request.socket.remoteAddress);
  const { binding, shared } = bindingOf(request);
  const exitNonce = newNonce();
  const answer = nextMessage(socket, clock);
  socket.send(JSON.stringify({ type: 'hello', version: tunnelVersion, nonce: exitNonce, binding }));
  const auth = await answer;
  if (auth.type !== 'auth') throw new WherryError('TUNNEL_PROTOCOL', 'a client begins with its proof');
  if (auth.version !== tunnelVersion) {
    const message = `the exit speaks version ${tunnelVersion} of the tunnel's protocol, the client version ${auth.version}`;
    throw new WherryError('TUNNEL_VERSION', message);
  }
  const transcript: Transcript = { exitNonce, clientNonce: auth.nonce, binding, shared };
  const account = accounts.find(auth.proof, transcript);
  if (account === undefined) {
    const waitMs = attempts.failed(address);
    throw new WrongTokenError(waitMs);
  }
  attempts.succeeded(address);
  const { token } = account.spec;
  const dataKey = dataKeyOf(token, transcript);
  return {
    facts: { account, instance: auth.instance, name: auth.name, address, dataKey },
    proof: proofOf('exit', token, transcript),
  };
}

/** The client's address is not listened to for a while. */
export class WrongTokenError extends WherryError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('TUNNEL_TOKEN', 'the exit does not know this token');
    this.retryAfterMs = retryAfterMs;
  }
}

function nextMessage(socket: WebSocket, clock: Clock): Promise<ClientMessage> {
  return new Promise((resolve, reject) => {
    const limit = clock.after(authTimeoutMs, () =>
      reject(new TransientError('TUNNEL_TIMEOUT', 'the client sent no proof')),
    );
    socket.once('close', () => {
      limit[Symbol.dispose]();
      reject(new TransientError('TUNNEL_CLOSED', 'the client closed the connection'));
    });
    socket.once('message', (data, isBinary) => {
      limit[Symbol.dispose]();
      try {
        if (isBinary) throw new WherryError('TUNNEL_PROTOCOL', 'a control message is text');
        resolve(parseClientMessage(String(data)));
      } catch (error) {
        reject(error);
      }
    });
  });
}

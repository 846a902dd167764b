/** Calls to one worker thread: each gets its reply or its error, and none stays open when the thread ends. */
import { Worker } from 'node:worker_threads';
import { TerminalError, toError } from '../../core/errors.ts';
import { unpackFailure } from './failure.ts';
import type { Calls, ReplyMessage, RequestMessage, Role } from './protocol.ts';

interface OpenCall {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerChannel<C extends { [K in keyof C]: Calls[string] }> {
  readonly #worker: Worker;
  readonly #calls = new Map<number, OpenCall>();
  readonly #exited = Promise.withResolvers<Error>();
  #lastId = 0;
  #failure: Error | undefined;

  constructor(role: Role) {
    // Flags of the process (--eval, --test) are not for its threads.
    const options = { workerData: role, name: `datastore ${role}`, execArgv: [] };
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), options);
    this.#worker.on('message', (message: ReplyMessage) => this.#settle(message));
    this.#worker.on('error', (error) => this.#fail(toError(error)));
    this.#worker.on('exit', (code) => {
      this.#exited.resolve(this.#fail(new Error(`the ${role} thread ended with code ${code}`)));
    });
  }

  /** Calls are answered in the order in which they were made, except for compactions, which take their time. */
  call<K extends keyof C & string>(
    name: K,
    request: C[K]['request'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<C[K]['reply']> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      const message: RequestMessage = { id, name, request };
      this.#worker.postMessage(message, transfer);
    });
  }

  /** Calls that were made and not answered yet. */
  get openCalls(): number {
    return this.#calls.size;
  }

  /** Resolves when the thread has ended, with the error that calls get from then on. */
  get exited(): Promise<Error> {
    return this.#exited.promise;
  }

  /** Ends the thread wherever it stands. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(message: ReplyMessage): void {
    const call = this.#calls.get(message.id);
    if (call === undefined) return;
    this.#calls.delete(message.id);
    if ('failure' in message) call.reject(unpackFailure(message.failure));
    else call.resolve(message.reply);
  }

  #fail(cause: Error): Error {
    this.#failure ??= new TerminalError('DATASTORE_FAILED', 'a thread of the datastore has ended', {
      cause,
      hint: 'start the server again; nothing that was acknowledged is lost',
    });
    for (const call of this.#calls.values()) call.reject(this.#failure);
    this.#calls.clear();
    return this.#failure;
  }
}

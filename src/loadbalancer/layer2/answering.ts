import { writeSync } from 'node:fs';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { Clock } from '../../core/clock.ts';
import { toError, WherryError } from '../../core/errors.ts';
import { closeDescriptor, openEvent } from '../../engines/raw-sockets/libc.ts';
import type { SpeakerOrder, SpeakerReport, SpeakerStart, SpeakerState } from './thread-orders.ts';

/** How long a thread that hands its addresses over may take before it is ended, milliseconds. */
const stopTimeoutMs = 3_000;
const wakingWord = Buffer.alloc(8);
wakingWord[0] = 1;

export interface AnsweringOptions {
  readonly nodeName: string;
  /** Of this node, on the network of the nodes. */
  readonly address: string;
  readonly port: number;
  readonly key: Buffer;
  readonly clock: Clock;
  /** What is held and who is heard, whenever that changes. */
  onState(state: SpeakerState): void;
  /** The thread has ended although nobody asked it to. */
  onFailure(error: Error): void;
}

/** The thread that answers for addresses, seen from the others. Disposing hands the addresses over first. */
export class Answering implements AsyncDisposable {
  readonly #options: AnsweringOptions;
  readonly #event: number;
  readonly #orders: MessageChannel;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #started = Promise.withResolvers<void>();
  #isClosing = false;
  #hasEnded = false;

  constructor(options: AnsweringOptions) {
    this.#options = options;
    const { nodeName: name, address, port, key } = options;
    this.#event = openEvent();
    this.#orders = new MessageChannel();
    const workerData: SpeakerStart = { name, address, port, key, orders: this.#orders.port2, event: this.#event };
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData,
      transferList: [this.#orders.port2],
      name: 'layer2',
      // Flags of the process (--eval, --test) are not for its threads.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    let failure: Error = new WherryError('LAYER2_THREAD', 'the thread that answers for addresses has ended');
    this.#worker.on('message', (report: SpeakerReport) => {
      if (report.kind === 'started') this.#started.resolve();
      else if (report.kind === 'state') options.onState(report);
      else if (report.kind === 'refused') failure = new WherryError(report.code, report.message);
    });
    this.#worker.on('error', (error) => {
      failure = toError(error);
    });
    this.#ended = new Promise((resolve) =>
      this.#worker.once('exit', () => {
        this.#hasEnded = true;
        this.#orders.port1.close();
        // Only now: a number that is closed may become that of another file.
        closeDescriptor(this.#event);
        this.#started.reject(failure);
        if (!this.#isClosing) options.onFailure(failure);
        resolve();
      }),
    );
    this.#started.promise.catch(() => {});
  }

  /** Resolves when the thread listens; rejects with why it can't. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  configure(order: Omit<Extract<SpeakerOrder, { readonly kind: 'configure' }>, 'kind'>): void {
    this.#say({ kind: 'configure', ...order });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#say({ kind: 'stop' });
    using _late = this.#options.clock.after(stopTimeoutMs, () => void this.#worker.terminate());
    await this.#ended;
  }

  #say(order: SpeakerOrder): void {
    if (this.#hasEnded) return;
    this.#orders.port1.postMessage(order);
    writeSync(this.#event, wakingWord);
  }
}

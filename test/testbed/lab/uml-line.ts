import { type Duplex, PassThrough, Writable } from 'node:stream';
import type { HostProcess, StartOptions } from './machine.ts';
import { type FromHost, lineReader, type ToHost } from './uml-messages.ts';

/** What a program's end is told to be when its host ends: as killed. */
const killedStatus = 137;

/** Bytes on their way at most: half of what the guest's terminal buffers. One that is full may never be read again. */
const unreadMax = 2048;

interface Running {
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  readonly end: (status: number) => void;
}

/** The test's end of the serial line of a user-mode Linux host. */
export class UmlLine {
  private readonly channel: Duplex;
  private readonly running = new Map<number, Running>();
  private readonly booted = Promise.withResolvers<void>();
  private unsent = '';
  private unread = 0;
  private count = 0;

  constructor(channel: Duplex) {
    this.channel = channel;
    channel.setEncoding('latin1').on(
      'data',
      lineReader<FromHost>((message) => this.receive(message)),
    );
    // Both come when the host ends.
    channel.on('error', () => {});
    channel.once('close', () => {
      this.booted.reject(new Error('the host ended'));
      for (const { end } of this.running.values()) end(killedStatus);
    });
    this.booted.promise.catch(() => {});
  }

  /** Resolves when the host has booted and takes commands; rejects when it ends before. */
  ready(): Promise<void> {
    return this.booted.promise;
  }

  start(command: string, args: readonly string[], options: StartOptions = {}): HostProcess {
    const id = ++this.count;
    const { environment = {}, cwd = '/' } = options;
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const { promise: ended, resolve } = Promise.withResolvers<number>();
    let status: number | undefined;
    const end = (value: number) => {
      this.running.delete(id);
      status = value;
      stdout.end();
      stderr.end();
      resolve(value);
    };
    this.running.set(id, { stdout, stderr, end });
    this.say({ id, start: { command, args, environment, cwd } });
    const stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.say({ id, input: chunk.toString('base64') });
        done();
      },
      final: (done) => {
        this.say({ id, input: null });
        done();
      },
    });
    return {
      stdin,
      stdout,
      stderr,
      get status() {
        return status;
      },
      ended,
      signal: (signal) => this.say({ id, signal }),
    };
  }

  private receive(message: FromHost): void {
    if ('read' in message) {
      this.unread -= message.read;
      this.send();
      return;
    }
    if ('awake' in message) {
      this.say({ environment: { ...process.env } });
      this.booted.resolve();
      return;
    }
    const program = this.running.get(message.id);
    if (program === undefined) return;
    if ('status' in message) program.end(message.status);
    else program[message.output].write(Buffer.from(message.bytes, 'base64'));
  }

  private say(message: ToHost): void {
    this.unsent += `${ascii(message)}\n`;
    this.send();
  }

  private send(): void {
    const part = this.unsent.slice(0, unreadMax - this.unread);
    if (part === '' || !this.channel.writable) return;
    this.unsent = this.unsent.slice(part.length);
    this.unread += part.length;
    this.channel.write(part, 'latin1');
  }
}

/** JSON in ASCII: a character is a byte on the line. */
function ascii(message: ToHost): string {
  return JSON.stringify(message).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

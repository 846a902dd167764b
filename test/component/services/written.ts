import { follow } from '../../../src/engines/process/follow.ts';

/** Elements that the kernel has got since the first question, by what nft monitor says of them. */
export class Written implements Disposable {
  readonly #waiting = new Map<string, () => void>();
  readonly #running = follow('nft', ['monitor', 'new', 'elements'], {
    onLine: (line) => {
      for (const [text, resolve] of this.#waiting) if (line.includes(text)) resolve();
    },
    onEnd: (why) => process.stderr.write(`${why}\n`),
  });

  async until(ip: string, endpoint: string): Promise<void> {
    const text = `endpoints-tcp { ${ip} . 80 . 1 : ${endpoint} `;
    await new Promise<void>((resolve) => this.#waiting.set(text, resolve));
    this.#waiting.delete(text);
  }

  [Symbol.dispose](): void {
    this.#running[Symbol.dispose]();
  }
}

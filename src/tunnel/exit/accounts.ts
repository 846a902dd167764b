import type { Clock } from '../../core/clock.ts';
import type { Rates } from '../join.ts';
import { proofOf, sameProof, type Transcript } from '../proof.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { TokenSpec } from '../tokens.ts';

/** A token and what is done with it at the moment, over all its clients. */
export class Account {
  #spec: TokenSpec;
  #rates: Rates | undefined;
  readonly #clock: Clock;
  /** Requests, connections and flows at the moment. */
  active = 0;
  /** Such as were refused because of the limit. */
  refused = 0;
  /** Since the start. */
  streams = 0;
  bytesFromUsers = 0;
  bytesToUsers = 0;

  constructor(spec: TokenSpec, clock: Clock) {
    this.#spec = spec;
    this.#clock = clock;
    this.update(spec);
  }

  get spec(): TokenSpec {
    return this.#spec;
  }

  /** What all streams of the token share; absent when it has no limit. */
  get rates(): Rates | undefined {
    return this.#rates;
  }

  update(spec: TokenSpec): void {
    const { bandwidth } = spec;
    if (bandwidth === undefined) this.#rates = undefined;
    else if (this.#rates === undefined || bandwidth !== this.#spec.bandwidth)
      this.#rates = { forth: new TokenBucket(bandwidth, this.#clock), back: new TokenBucket(bandwidth, this.#clock) };
    this.#spec = spec;
  }

  /** Counts one more in, until it is disposed; undefined when the token has as many as it may. */
  admit(): Disposable | undefined {
    if (this.active >= (this.#spec.connections ?? Number.POSITIVE_INFINITY)) {
      this.refused++;
      return undefined;
    }
    this.active++;
    this.streams++;
    let counted = true;
    return {
      [Symbol.dispose]: () => {
        if (counted) this.active--;
        counted = false;
      },
    };
  }
}

/** The accounts of all tokens that are in force. */
export class Accounts {
  readonly #accounts = new Map<string, Account>();
  readonly #clock: Clock;

  constructor(specs: readonly TokenSpec[], clock: Clock) {
    this.#clock = clock;
    this.update(specs);
  }

  list(): readonly Account[] {
    return [...this.#accounts.values()];
  }

  /** Puts new tokens into force and returns the accounts whose tokens no longer hold. */
  update(specs: readonly TokenSpec[]): readonly Account[] {
    const gone: Account[] = [];
    for (const [name, account] of this.#accounts) {
      const spec = specs.find((candidate) => candidate.name === name);
      if (spec !== undefined && spec.token === account.spec.token) continue;
      this.#accounts.delete(name);
      gone.push(account);
    }
    for (const spec of specs) {
      const standing = this.#accounts.get(spec.name);
      if (standing === undefined) this.#accounts.set(spec.name, new Account(spec, this.#clock));
      else standing.update(spec);
    }
    return gone;
  }

  /** Whose proof it is. All are compared, and each in constant time, so that the time taken tells nothing. */
  find(proof: string, transcript: Transcript): Account | undefined {
    let found: Account | undefined;
    for (const account of this.#accounts.values()) {
      if (sameProof(proof, proofOf('client', account.spec.token, transcript))) found = account;
    }
    return found;
  }
}

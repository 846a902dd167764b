import type { Claim, SpeakerMessage } from '../../wire/speaker-messages.ts';

/** A member that is silent for this long is dead, milliseconds. */
export const deadAfterMs = 400;
/** Between two questions for the same member's claims. */
const askEveryMs = 50;

type ClaimsBody = Extract<SpeakerMessage['body'], { readonly kind: 'claims' }>;

/**
 * What this node knows of another one. It counts once it has answered a challenge, which a recorded packet can't; then it
 * lives as long as it is heard.
 */
export class Member {
  readonly name: string;
  readonly #challengeOf: () => bigint;
  #incarnation: bigint | undefined;
  #sequence = 0n;
  #isVerified = false;
  #hasLeft = false;
  #lastHeardMs = Number.NEGATIVE_INFINITY;
  #lastAskedMs = Number.NEGATIVE_INFINITY;
  #challenge: bigint | undefined;
  /** Of the claims that are known whole. */
  #version: number | undefined;
  #claims: ReadonlyMap<string, Claim> = new Map();
  #parts:
    | { readonly version: number; readonly challenge: bigint; readonly of: Map<number, readonly Claim[]> }
    | undefined;

  /** `challengeOf` gives a new random number that is not zero. */
  constructor(name: string, challengeOf: () => bigint) {
    this.name = name;
    this.#challengeOf = challengeOf;
  }

  /** It lives, and what it claims is known. */
  get isAlive(): boolean {
    return this.#isVerified;
  }

  /** Empty when it is dead. */
  get claims(): ReadonlyMap<string, Claim> {
    return this.#claims;
  }

  /** It has said goodbye, and nothing since. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** When it is dead unless it is heard before; never, when it is dead already. */
  get diesAtMs(): number {
    return this.#isVerified ? this.#lastHeardMs + deadAfterMs : Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a message in; true when what is known of the member has changed by it. `ask` is called when the member's claims
   * have to be asked for.
   */
  hear({ incarnation, sequence, body }: SpeakerMessage, nowMs: number, ask: (challenge: bigint) => void): boolean {
    if (incarnation !== this.#incarnation) return this.#greet(incarnation, sequence, body, nowMs, ask);
    if (sequence <= this.#sequence) return false;
    this.#sequence = sequence;
    if (body.kind === 'leave') {
      this.#hasLeft = this.#isVerified && this.end();
      return this.#hasLeft;
    }
    if (this.#isVerified) this.#lastHeardMs = nowMs;
    if (body.kind === 'claims') return this.#take(body, nowMs);
    if (body.kind === 'heartbeat' && (!this.#isVerified || body.version !== this.#version)) this.#ask(nowMs, ask);
    return false;
  }

  /** Another process than before, perhaps: whoever it is, it has to answer a challenge of ours first. */
  #greet(
    incarnation: bigint,
    sequence: bigint,
    body: SpeakerMessage['body'],
    nowMs: number,
    ask: (challenge: bigint) => void,
  ): boolean {
    const answers = body.kind === 'claims' && body.challenge !== 0n && body.challenge === this.#challenge;
    if (!answers) {
      if (body.kind !== 'leave') this.#ask(nowMs, ask);
      return false;
    }
    this.#incarnation = incarnation;
    this.#sequence = sequence;
    this.#isVerified = false;
    this.#parts = undefined;
    return this.#take(body, nowMs);
  }

  #take(body: ClaimsBody, nowMs: number): boolean {
    const isAnswer = body.challenge !== 0n && body.challenge === this.#challenge;
    if (!isAnswer && !this.#isVerified) return false;
    if (this.#parts?.version !== body.version || this.#parts.challenge !== body.challenge) {
      this.#parts = { version: body.version, challenge: body.challenge, of: new Map() };
    }
    const { of } = this.#parts;
    of.set(body.part, body.claims);
    if (of.size < body.parts) return false;
    this.#parts = undefined;
    if (isAnswer) this.#challenge = undefined;
    const claims = [...of].sort(([a], [b]) => a - b).flatMap(([, part]) => part);
    this.#claims = new Map(claims.map((claim) => [claim.address, claim]));
    this.#version = body.version;
    this.#isVerified = true;
    this.#hasLeft = false;
    this.#lastHeardMs = nowMs;
    return true;
  }

  #ask(nowMs: number, ask: (challenge: bigint) => void): void {
    if (nowMs < this.#lastAskedMs + askEveryMs) return;
    this.#lastAskedMs = nowMs;
    this.#challenge ??= this.#challengeOf();
    ask(this.#challenge);
  }

  /** It is dead, or gone: what it said before counts no longer. Always true. */
  end(): true {
    this.#isVerified = false;
    this.#challenge = undefined;
    this.#parts = undefined;
    this.#version = undefined;
    this.#claims = new Map();
    return true;
  }
}

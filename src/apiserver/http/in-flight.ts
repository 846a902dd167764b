/** Requests that are being answered, by upstream's two classes. Watches and long streams don't count. */
export class InFlight {
  readonly #limits: { readonly readOnly: number; readonly mutating: number };
  #readOnly = 0;
  #mutating = 0;

  constructor(limits: { readonly readOnly: number; readonly mutating: number }) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#readOnly + this.#mutating;
  }

  /** False when the class is full. */
  enter(isMutating: boolean): boolean {
    if (isMutating) {
      if (this.#mutating >= this.#limits.mutating) return false;
      this.#mutating += 1;
      return true;
    }
    if (this.#readOnly >= this.#limits.readOnly) return false;
    this.#readOnly += 1;
    return true;
  }

  leave(isMutating: boolean): void {
    if (isMutating) this.#mutating -= 1;
    else this.#readOnly -= 1;
  }
}

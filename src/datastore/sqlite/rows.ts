/** Rows as node:sqlite gives them, checked and gathered for a message. */
import type { SQLOutputValue } from 'node:sqlite';
import type { Revision } from '../backend.ts';
import { DamagedRow } from './failure.ts';
import { type PackedStates, packValues } from './protocol.ts';

export type Row = readonly SQLOutputValue[];

/** A column that the schema makes an integer. */
export function integer(value: SQLOutputValue | undefined): number {
  if (typeof value !== 'number') throw new DamagedRow('a number', value);
  return value;
}

/** A column that the schema makes bytes. */
export function blob(value: SQLOutputValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new DamagedRow('bytes', value);
  return value;
}

/** Gathers the states of keys (or their absence) in order, then packs them. */
export class StateList {
  readonly #createRevisions: Revision[] = [];
  readonly #modRevisions: Revision[] = [];
  readonly #values: (Uint8Array | null)[] = [];

  push(modRevision: Revision, createRevision: Revision, value: Uint8Array): void {
    this.#modRevisions.push(modRevision);
    this.#createRevisions.push(createRevision);
    this.#values.push(value);
  }

  pushAbsent(): void {
    this.#modRevisions.push(0);
    this.#createRevisions.push(0);
    this.#values.push(null);
  }

  pack(): PackedStates {
    return {
      createRevisions: this.#createRevisions,
      modRevisions: this.#modRevisions,
      values: packValues(this.#values),
    };
  }
}

import type { Draft } from '../draft.ts';
import type { KubeObject } from '../object.ts';
import { bumpGeneration } from '../strategy/status.ts';

/** Preparation of kinds without a status that count changes of these members. */
export function countedSpec(...members: readonly string[]) {
  return {
    prepareForCreate<T extends KubeObject>(object: Draft<T>): void {
      object.metadata.generation = 1;
    },
    prepareForUpdate<T extends KubeObject>(object: Draft<T>, old: T): void {
      bumpGeneration(object, old, ...members);
    },
  };
}

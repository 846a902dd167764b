import type { Draft } from '../draft.ts';
import type { Strategy } from '../kind.ts';
import type { KubeObject } from '../object.ts';

/** What a kind says of itself; the rest has the values that most kinds have. */
export type StrategyParts<T extends KubeObject> = Partial<Strategy<T>>;

function nothing(): void {}
function noErrors(): readonly [] {
  return [];
}

/** Completes a strategy: no creation by PUT, unconditional updates allowed, nothing to default, prepare or check. */
export function strategyOf<T extends KubeObject>(parts: StrategyParts<T> = {}): Strategy<T> {
  return {
    allowCreateOnUpdate: false,
    allowUnconditionalUpdate: true,
    setDefaults: nothing,
    prepareForCreate: nothing,
    prepareForUpdate: nothing,
    validateCreate: noErrors,
    validateUpdate: noErrors,
    ...parts,
  };
}

/** Sets metadata.generation. */
export function setGeneration(object: Draft<KubeObject>, generation: number): void {
  object.metadata.generation = generation;
}

/** The generation after this one. */
export function nextGeneration(old: KubeObject): number {
  return (old.metadata.generation ?? 0) + 1;
}

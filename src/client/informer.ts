import type { KubeObject } from '../kube/object.ts';

/** A local, always current copy of one resource (or of a selection of it), fed by list and watch. */
export interface Informer<T extends KubeObject> {
  /** Resolves when the first list is in. */
  readonly synced: Promise<void>;
  get(key: string): T | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[];
  /** Objects for which the index function `name`, given to the informer, yields `value`. */
  byIndex(name: string, value: string): readonly T[];
  /** Called for each change, also for what is there when it subscribes (as added). Handlers must not throw or block. */
  subscribe(handler: ChangeHandler<T>): Disposable;
}

/** `old` is undefined for an addition, `current` for a deletion. */
export type ChangeHandler<T> = (change: {
  readonly key: string;
  readonly old: T | undefined;
  readonly current: T | undefined;
}) => void;
export type IndexFunction<T> = (object: T) => readonly string[];

export interface InformerOptions<T> {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>>;
}

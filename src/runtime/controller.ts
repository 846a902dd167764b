import type { Client } from '../client/client.ts';
import type { Informer, InformerOptions } from '../client/informer.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';

/** `done`: nothing more until something changes. */
export type Outcome = { readonly done: true } | { readonly requeueAfterMs: number };

/** A resource whose changes wake a controller, and which keys they wake. */
export interface Watch<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>;
  readonly options?: InformerOptions<T>;
  /** Keys to reconcile when `object` changed; called for both the old and the new state. */
  keys(object: T, informers: Informers): readonly string[];
}

/** The informers that a manager shares among its controllers: one for each resource and selection. */
export interface Informers {
  of<T extends KubeObject>(resource: Resource<T>, options?: InformerOptions<T>): Informer<T>;
}

/** What a controller may use. Nothing else of the process is visible to it. */
export interface ControllerContext {
  readonly client: Client;
  readonly informers: Informers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** A watch with the type of its resource; what `Controller.watches` is made of. */
export function watchOf<T extends KubeObject>(
  resource: Resource<T>,
  keys: (object: T, informers: Informers) => readonly string[],
  options?: InformerOptions<T>,
): Watch {
  return { resource, keys, ...(options === undefined ? {} : { options }) } as unknown as Watch;
}

/** What a reconcile that is finished returns. */
export const done: Outcome = { done: true };

/**
 * Level-based: reconcile(key) looks at the state of the world, plans, applies, and may be called at any time, any
 * number of times. It throws TransientError (or a StatusError such as Conflict) to be called again with back-off,
 * TerminalError when only a change of some object can help.
 */
export interface Controller {
  readonly name: string;
  readonly watches: readonly Watch[];
  /** Resources that reconcile reads and that wake nothing; they too are in before the first reconcile. */
  readonly reads?: readonly { readonly resource: Resource; readonly options?: InformerOptions<KubeObject> }[];
  /** Event.source.component where it differs from `name`. */
  readonly eventSource?: string;
  /** How many keys may be reconciled at the same time; never the same key twice. */
  readonly concurrency?: number;
  reconcile(key: string, context: ControllerContext, signal: AbortSignal): Promise<Outcome>;
  /** For controllers that are woken by more than their watches. Called once, when the informers are in; resolves soon. */
  start?(context: ControllerContext, enqueue: Enqueue, signal: AbortSignal): Promise<void>;
}

/** Makes a key be reconciled, at once or after `delayMs`. */
export type Enqueue = (key: string, delayMs?: number) => void;

/** Writes events.k8s.io-style facts on objects; repeats are counted on one Event, and each object's rate is bounded. Never throws. */
export interface EventRecorder {
  /** `fieldPath` names the part of the object that it is about: `spec.containers{web}`. */
  event(about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, fieldPath?: string): void;
}

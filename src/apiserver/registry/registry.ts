import type { Clock } from '../../core/clock.ts';
import type { Draft } from '../../kube/draft.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { WatchHub } from '../cache/hub.ts';
import type { KindRegistry, ServedKind } from '../kind-registry.ts';
import type { AdmissionChain } from './admission-chain.ts';

/** An object that its single owner builds up on its way into the store. */
export type ObjectDraft = Draft<KubeObject> & Record<string, unknown>;

/** Ends what a hook began: exactly one of the two is called. */
export interface Finish {
  /** The write is durable. */
  commit(): Promise<void>;
  /** It was refused or failed: gives back what was taken for it. */
  rollback(): void;
}

/**
 * What a kind does besides writing its own object: a Service takes addresses, a Namespace has its own way to die. Run
 * after the strategy prepared the object and before it is validated. With `dryRun` nothing may last.
 */
export interface WriteHooks {
  create?(object: ObjectDraft, dryRun: boolean): Promise<Finish | undefined>;
  update?(object: ObjectDraft, old: KubeObject, dryRun: boolean): Promise<Finish | undefined>;
  /** After the object is gone. */
  deleted?(object: KubeObject): Promise<void>;
  /** Seconds after which the store forgets an object that is written now. */
  leaseSeconds?(): number;
  /** Changes that mark an object for deletion, and whether it must stay although nothing else holds it. */
  markDeleted?(object: ObjectDraft): void;
  isHeld?(object: KubeObject): boolean;
}

/** What all writes share. */
export interface Registry {
  readonly hub: WatchHub;
  readonly kinds: KindRegistry;
  readonly admission: AdmissionChain;
  readonly clock: Clock;
  /** By `groupResourceOf`, e.g. `services`. */
  readonly hooks: ReadonlyMap<string, WriteHooks>;
}

export function hooksOf(registry: Registry, served: ServedKind): WriteHooks {
  const { group, plural } = served.resource;
  return registry.hooks.get(group === '' ? plural : `${plural}.${group}`) ?? none;
}

const none: WriteHooks = {};

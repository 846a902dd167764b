/** What the thread that answers for addresses and the one that knows the cluster say to each other. */
import type { MessagePort } from 'node:worker_threads';
import type { EthernetLink } from '../../engines/raw-sockets/link-sockets.ts';
import type { WantedAddress } from './speaker.ts';

export interface SpeakerStart {
  readonly name: string;
  /** Of this node, on the network of the nodes. */
  readonly address: string;
  readonly port: number;
  readonly key: Uint8Array;
  /** Orders come by it. */
  readonly orders: MessagePort;
  /** Written to when there are orders. */
  readonly event: number;
}

/** To the thread that answers. */
export type SpeakerOrder =
  | {
      readonly kind: 'configure';
      /** The other nodes and their addresses. */
      readonly peers: ReadonlyMap<string, string>;
      readonly wanted: readonly (WantedAddress & {
        /** Names of the interfaces that serve it; empty: all. */
        readonly interfaces: readonly string[];
      })[];
      readonly links: readonly EthernetLink[];
    }
  | { readonly kind: 'stop' };

/** What one address is held by, and where it is answered for. */
export interface HeldAddress {
  readonly address: string;
  readonly interfaces: readonly string[];
  /** The node that held it before and lives. */
  readonly previous: string | undefined;
}

/** How addresses are held, as one node sees it. */
export interface SpeakerState {
  /** By this node. */
  readonly held: readonly HeldAddress[];
  /** Names of other nodes by the addresses that they hold. */
  readonly heldByOthers: ReadonlyMap<string, string>;
  /** Names of the other nodes that are heard. */
  readonly alive: readonly string[];
  /** Names of those that have said goodbye. */
  readonly left: readonly string[];
}

/** From it. */
export type SpeakerReport =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | ({ readonly kind: 'state' } & SpeakerState)
  | { readonly kind: 'left' };

/** What the thread that answers questions and the thread that knows the cluster say to each other. */
import type { DnsConfiguration } from './configuration.ts';
import type { ServiceRecords } from './service-records.ts';

export interface StartData {
  readonly addresses: readonly string[];
  readonly port: number;
  /** E.g. `cluster.local`. */
  readonly zone: string;
}

/** To the thread that answers. */
export type Order =
  | { readonly kind: 'configure'; readonly configuration: DnsConfiguration }
  | { readonly kind: 'services'; readonly set: readonly ServiceRecords[]; readonly removed: readonly ServiceName[] }
  | { readonly kind: 'namespaces'; readonly added: readonly string[]; readonly removed: readonly string[] }
  | { readonly kind: 'listen' }
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'stop' };

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

/** From it. */
export type Report =
  | { readonly kind: 'listening'; readonly ports: readonly number[] }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly hint: string | undefined }
  | { readonly kind: 'loops'; readonly servers: readonly string[] }
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'stopped' };

import type { Connection } from './oracle.ts';

/** What a pod's process is asked and answers. Every answer bears its question's id. */
export type PodQuestion = { readonly id: number } & (
  | { readonly ask: 'probe'; readonly targets: readonly Target[]; readonly timeoutMs: number }
  /** Opens a connection and keeps it; answered when a first byte came back. */
  | { readonly ask: 'open'; readonly target: Target; readonly timeoutMs: number }
  /** Whether the kept connection still carries a byte there and back. */
  | { readonly ask: 'echo'; readonly timeoutMs: number }
);

export type Target = Pick<Connection, 'protocol' | 'port'> & { readonly address: string };

export interface PodAnswer {
  readonly id: number;
  readonly results: readonly boolean[];
}

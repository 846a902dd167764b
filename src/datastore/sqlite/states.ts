/** Packed states as the key-values and events of the Backend interface. */
import type { BackendEvent, KeyValue } from '../backend.ts';
import { type ChangesReply, type ExpireReply, type PackedStates, unpackValues } from './protocol.ts';

/** The states of `keys`, in order; null for an absent one. The values are views of one shared buffer. */
export function unpackStates(keys: readonly string[], states: PackedStates): (KeyValue | null)[] {
  const values = unpackValues(states.values);
  return keys.map((key, i) => {
    const value = values[i];
    const modRevision = states.modRevisions[i] ?? 0;
    if (value === null || value === undefined || modRevision === 0) return null;
    return { key, value, createRevision: states.createRevisions[i] ?? modRevision, modRevision };
  });
}

/** The deletions of ended leases. */
export function expiryEvents(reply: ExpireReply): BackendEvent[] {
  const before = unpackStates(reply.keys, reply.before);
  return reply.keys.flatMap((key, i) => deletion(key, reply.revisions[i], before[i]));
}

/** The changes that a page of the log holds. */
export function logEvents(reply: ChangesReply): BackendEvent[] {
  const after = unpackStates(reply.keys, reply.after);
  const before = unpackStates(reply.keys, reply.before);
  return reply.keys.flatMap((key, i): BackendEvent[] => {
    if (reply.deleted[i]) return deletion(key, reply.after.modRevisions[i], before[i]);
    const kv = after[i];
    return kv ? [{ type: 'put', kv, previous: before[i] ?? null }] : [];
  });
}

function deletion(key: string, revision: number | undefined, previous: KeyValue | null | undefined): BackendEvent[] {
  return revision === undefined || !previous ? [] : [{ type: 'delete', key, revision, previous }];
}

import type { Endpoint } from './config.ts';

/** A place for an endpoint in a backend; one without an endpoint stands ready for the next. */
export interface Slot {
  readonly name: string;
  readonly endpoint: Endpoint | null;
}

/**
 * Gives endpoints places: who has one keeps it, who comes takes a free one or a new one, and who is gone leaves his free. So a
 * server of HAProxy is never renamed while it serves. Pure.
 */
export function assignSlots(standing: readonly Slot[], endpoints: readonly Endpoint[]): readonly Slot[] {
  const wanted = new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint]));
  const kept = standing.map(({ name, endpoint }) => {
    const stays = endpoint !== null && wanted.delete(keyOf(endpoint));
    return { name, endpoint: stays ? endpoint : null };
  });
  const coming = [...wanted.values()];
  const slots = kept.map((slot) => (slot.endpoint === null ? { ...slot, endpoint: coming.shift() ?? null } : slot));
  return [...slots, ...coming.map((endpoint, index) => ({ name: `s${kept.length + index + 1}`, endpoint }))];
}

export function keyOf({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

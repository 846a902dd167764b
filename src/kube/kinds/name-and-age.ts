import type { Table } from '../kind.ts';

/** The table of kinds that say nothing better: name and age. Ages follow apimachinery's HumanDuration. */
export const nameAndAge: Table = {
  columns: [
    {
      name: 'Name',
      type: 'string',
      format: 'name',
      description: 'The name of the object, unique among those of its kind in its namespace.',
      priority: 0,
    },
    { name: 'Age', type: 'string', format: '', description: '', priority: 0 },
  ],
  row: (object, nowMs) => [object.metadata.name ?? '', ageOf(object.metadata.creationTimestamp, nowMs)],
};

/** How long ago `timestamp` was, as kubectl writes it; `<unknown>` without one. */
export function ageOf(timestamp: string | null | undefined, nowMs: number): string {
  return timestamp === undefined || timestamp === null ? '<unknown>' : humanDuration(nowMs - Date.parse(timestamp));
}

/** `5s`, `2m30s`, `3h`, `4d12h`, `2y100d`: two units at most, the second only while it says something. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return join(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return join(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 192) return join(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  const years = Math.trunc(days / 365);
  return years < 8 ? join(years, 'y', days % 365, 'd') : `${years}y`;
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}

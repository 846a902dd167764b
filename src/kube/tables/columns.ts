import type { Cell, Table, TableColumn } from '../kind.ts';
import { ageOf } from '../kinds/name-and-age.ts';
import type { KubeObject } from '../object.ts';
import type { LabelSelector, PodSpec } from '../types.gen.ts';

/**
 * A column as a text: `Name`, then `:` and a type where it is not `string`, then `!` when only -o wide shows it:
 * `Ready:integer`, `Images!`.
 */
export type ColumnText = string;

/** Makes a table whose first column is the object's name. */
export function tableWith<T extends KubeObject>(
  columns: readonly (ColumnText | TableColumn)[],
  cells: (object: T, age: (timestamp: string | undefined) => string, nowMs: number) => readonly Cell[],
): Table<T> {
  return {
    columns: [nameColumn, ...columns.map((column) => (typeof column === 'string' ? columnOf(column) : column))],
    row: (object, nowMs) => [object.metadata.name ?? '', ...cells(object, (t) => ageOf(t, nowMs), nowMs)],
  };
}

export const nameColumn: TableColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique among those of its kind in its namespace.',
  priority: 0,
};

const types = ['string', 'integer', 'number', 'boolean', 'date'] as const;

/** One column of a table, from its text. */
export function columnOf(text: ColumnText): TableColumn {
  const wide = text.endsWith('!');
  const [name = '', type] = (wide ? text.slice(0, -1) : text).split(':');
  return {
    name,
    type: types.find((t) => t === type) ?? 'string',
    format: '',
    description: descriptions[name] ?? `${name} of the object.`,
    priority: wide ? 1 : 0,
  };
}

const descriptions: Readonly<Record<string, string>> = {
  Age: 'How long ago the object was created.',
  'Created At': 'When the object was created.',
  Ready: 'How many of what should be ready are.',
  Containers: 'The names of the containers in the template.',
  Images: 'The images of the containers in the template.',
  Selector: 'The labels by which the object selects others.',
  Restarts: 'How often the containers were started again.',
};

export const none = '<none>';

/** Container names and images of a pod template, joined by commas. */
export function containersAndImages(spec: PodSpec | undefined): readonly [string, string] {
  const containers = spec?.containers ?? [];
  return [containers.map((c) => c.name).join(','), containers.map((c) => c.image ?? '').join(',')];
}

/** `a=b,c in (d,e),f,!g`; `<none>` for a selector that is absent or empty. */
export function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return none;
  const equalities = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    text: `${key}=${value}`,
  }));
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    const list = `(${[...values].sort().join(',')})`;
    const text = { In: `${key} in ${list}`, NotIn: `${key} notin ${list}`, Exists: key, DoesNotExist: `!${key}` }[
      operator
    ];
    return { key, text: text ?? key };
  });
  const all = [...equalities, ...expressions].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return all.map((r) => r.text).join(',') || none;
}

/** `a=b,c=d` in the order of the keys; `<none>` when there are none. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([key, value]) => `${key}=${value}`).join(',') || none;
}

/** Access modes as kubectl shortens them: RWO, ROX, RWX, RWOP. */
export function accessModesText(modes: readonly string[] | undefined): string {
  const short: Readonly<Record<string, string>> = {
    ReadWriteOnce: 'RWO',
    ReadOnlyMany: 'ROX',
    ReadWriteMany: 'RWX',
    ReadWriteOncePod: 'RWOP',
  };
  const present = new Set(modes ?? []);
  return Object.entries(short)
    .filter(([mode]) => present.has(mode))
    .map(([, text]) => text)
    .join(',');
}

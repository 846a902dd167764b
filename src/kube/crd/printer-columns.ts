import type { Json, JsonObject } from '../../core/json.ts';
import { withSortedKeys } from '../go-json.ts';
import type { Cell, Table, TableColumn } from '../kind.ts';
import { humanDuration, nameAndAge } from '../kinds/name-and-age.ts';
import type { CustomResourceColumnDefinition } from '../types.gen.ts';
import { findByPath, type JsonPath, parseJsonPath } from './json-path.ts';

const age: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  description: '',
  jsonPath: '.metadata.creationTimestamp',
};

/** How `kubectl get` shows a custom resource: its name and the columns of its definition, or its age without any. */
export function tableOfCustomResource(columns: readonly CustomResourceColumnDefinition[] = []): Table {
  const shown = columns.length === 0 ? [age] : columns;
  const nameColumn = nameAndAge.columns.slice(0, 1);
  const cells = shown.map(({ type, jsonPath }) => ({ type, path: parseJsonPath(jsonPath) }));
  return {
    columns: [...nameColumn, ...shown.map(columnOf)],
    row: (object, nowMs) => [
      object.metadata.name ?? '',
      ...cells.map(({ type, path }) => cellOf(type, path, object as unknown as JsonObject, nowMs)),
    ],
  };
}

function columnOf({
  name,
  type,
  format,
  description,
  priority,
  jsonPath,
}: CustomResourceColumnDefinition): TableColumn {
  return {
    name,
    type: type as TableColumn['type'],
    format: format ?? '',
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority: priority ?? 0,
  };
}

function cellOf(type: string, path: JsonPath | undefined, object: JsonObject, nowMs: number): Cell {
  const value = path === undefined ? undefined : findByPath(path, object)[0];
  if (value === undefined) return null;
  switch (type) {
    case 'string':
      return printed(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? dateCell(value, nowMs) : null;
    default:
      return null;
  }
}

function printed(value: Json): string {
  if (value === null) return '<nil>';
  return typeof value === 'object' ? JSON.stringify(withSortedKeys(value)) : String(value);
}

function dateCell(text: string, nowMs: number): string {
  const time = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? '<invalid>' : humanDuration(nowMs - time);
}

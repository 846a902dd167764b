import type { Kind, StorageVersion, Strategy, SubresourceStrategy, Table } from '../kind.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import { type StrategyParts, strategyOf } from '../strategy/strategy.ts';
import { withoutNulls } from '../strategy/without-nulls.ts';
import { tableOf } from '../tables/all.ts';
import { nameAndAge } from './name-and-age.ts';

/** Joins the parts of a kind. Without a table, `kubectl get` shows name and age. */
export function kindOf<T extends KubeObject>(
  resource: Resource<T>,
  parts: StrategyParts<T> = {},
  more: {
    readonly table?: Table<T>;
    readonly storage?: StorageVersion;
    readonly fieldAnnotations?: readonly string[];
  } = {},
): Kind<T> {
  return {
    resource,
    strategy: readingWithoutNulls(strategyOf(parts)),
    table: more.table ?? builtinTable(resource, more.storage),
    ...(more.storage !== undefined && { storage: more.storage }),
    ...(more.fieldAnnotations !== undefined && { fieldAnnotations: more.fieldAnnotations }),
  };
}

// Rows are made from the stored version, so that all versions of a kind look alike.
function builtinTable<T extends KubeObject>(resource: Resource<T>, storage: StorageVersion | undefined): Table<T> {
  const table: Table | undefined = tableOf(storage?.resource ?? resource);
  if (table === undefined || storage === undefined) return table ?? nameAndAge;
  return { columns: table.columns, row: (object, nowMs) => table.row(storage.toStorage(object), nowMs) };
}

// What only looks at objects sees them as their types say: absent is absent.
function readingWithoutNulls<T extends KubeObject>(strategy: Strategy<T>): Strategy<T> {
  const { warnings } = strategy;
  return {
    ...strategy,
    validateCreate: (object) => strategy.validateCreate(withoutNulls(object)),
    validateUpdate: (object, old) => strategy.validateUpdate(withoutNulls(object), withoutNulls(old)),
    ...(warnings !== undefined && {
      warnings: (object: T, old: T | null) => warnings(withoutNulls(object), withoutNulls(old)),
    }),
    ...(strategy.subresources !== undefined && {
      subresources: Object.fromEntries(
        Object.entries(strategy.subresources).map(([name, one]) => [name, subresourceWithoutNulls(one)]),
      ),
    }),
  };
}

function subresourceWithoutNulls<T extends KubeObject>(one: SubresourceStrategy<T>): SubresourceStrategy<T> {
  return { ...one, validateUpdate: (object, old) => one.validateUpdate(withoutNulls(object), withoutNulls(old)) };
}

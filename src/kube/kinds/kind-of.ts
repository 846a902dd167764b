import type { Kind, StorageVersion, Table } from '../kind.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import { type StrategyParts, strategyOf } from '../strategy/strategy.ts';
import { nameAndAge } from './name-and-age.ts';

/** Joins the parts of a kind. Without a table, `kubectl get` shows name and age. */
export function kindOf<T extends KubeObject>(
  resource: Resource<T>,
  parts: StrategyParts<T> = {},
  more: { readonly table?: Table<T>; readonly storage?: StorageVersion } = {},
): Kind<T> {
  return {
    resource,
    strategy: strategyOf(parts),
    table: more.table ?? nameAndAge,
    ...(more.storage !== undefined && { storage: more.storage }),
  };
}

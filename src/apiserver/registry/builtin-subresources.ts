import type { ApiServer } from '../api-server.ts';
import { get, patch, replace } from './handlers.ts';

/** Subresources whose body is the object itself (`status`, `approval`), for every kind that has a strategy for them. */
export function addBuiltinSubresources(server: ApiServer): void {
  const { registry, subresources } = server;
  subresources.addGeneric((served, name) => {
    if (served.kind.strategy.subresources?.[name] === undefined) return undefined;
    return {
      GET: (call, kind) => get(registry, kind, call),
      PUT: (call, kind) => replace(registry, kind, call, name),
      PATCH: (call, kind) => patch(registry, kind, call, name),
    };
  });
}

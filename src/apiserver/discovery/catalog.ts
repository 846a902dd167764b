import { compareVersions } from '../../kube/crd/versions.ts';
import type { Resource, Verb } from '../../kube/resource.ts';
import type { ServedKind } from '../kind-registry.ts';
import { priorityOf } from './priorities.ts';

/** One resource as discovery shows it. */
export interface CatalogResource {
  readonly resource: Resource;
  /** In which objects are stored; undefined for what is not stored. */
  readonly storedAs: { readonly group: string; readonly version: string; readonly kind: string } | undefined;
  readonly isCustom: boolean;
}

export interface CatalogVersion {
  readonly version: string;
  /** By plural name. */
  readonly resources: readonly CatalogResource[];
}

export interface CatalogGroup {
  /** Empty for the core group. */
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly CatalogVersion[];
}

// What is on its way out is not changed any more, but for the finalizers that hold it.
const verbsOfTerminating: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'watch'];

/** Everything that is served, in the order in which discovery shows it: `builtin` resources, stored or not, and the kinds. */
export function catalogOf(builtin: readonly Resource[], kinds: Iterable<ServedKind>): readonly CatalogGroup[] {
  const groups = new Map<string, Map<string, Map<string, CatalogResource>>>();
  const add = (one: CatalogResource) => {
    const { group, version, plural } = one.resource;
    const versions = groups.get(group) ?? new Map<string, Map<string, CatalogResource>>();
    groups.set(group, versions);
    const resources = versions.get(version) ?? new Map<string, CatalogResource>();
    versions.set(version, resources);
    resources.set(plural, one);
  };
  for (const resource of builtin) add({ resource, storedAs: undefined, isCustom: false });
  for (const { resource, kind, isCustom } of kinds) {
    const shown = kind.custom?.isTerminating ? { ...resource, verbs: verbsOfTerminating } : resource;
    add({ resource: shown, storedAs: kind.storage?.resource ?? resource, isCustom });
  }
  return [...groups]
    .map(([name, versions]): CatalogGroup => ({ name, versions: inOrder(name, versions) }))
    .sort((a, b) => groupPriority(b) - groupPriority(a) || (a.name < b.name ? -1 : 1));
}

function inOrder(
  group: string,
  versions: ReadonlyMap<string, ReadonlyMap<string, CatalogResource>>,
): readonly CatalogVersion[] {
  const priority = (version: string) => priorityOf(group, version).version;
  return [...versions]
    .sort(([a], [b]) => priority(b) - priority(a) || compareVersions(a, b))
    .map(([version, resources]) => ({
      version,
      resources: [...resources.values()].sort((a, b) => (a.resource.plural < b.resource.plural ? -1 : 1)),
    }));
}

function groupPriority({ name, versions }: CatalogGroup): number {
  return Math.max(...versions.map(({ version }) => priorityOf(name, version).group));
}

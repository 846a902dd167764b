import type { Client } from '../../client/client.ts';
import { describeError } from '../../core/errors.ts';
import type { Resource, Verb } from '../../kube/resource.ts';
import type { APIGroupList, APIResource, APIResourceList } from '../../kube/types.gen.ts';

export interface Discovered {
  /** One entry a resource, in its group's preferred version (or the version that has it). */
  readonly resources: readonly Resource[];
  /** Group versions whose resources could not be read, with the cause. */
  readonly failures: ReadonlyMap<string, string>;
}

/** Asks the server which resources it has now, those of CustomResourceDefinitions among them. */
export async function discoverResources(client: Client, signal: AbortSignal): Promise<Discovered> {
  const groups = (await client.raw('/apis', { signal })) as APIGroupList;
  const failures = new Map<string, string>();
  const found = new Map<string, Resource>();
  const read = async (path: string, groupVersion: string) => {
    try {
      const list = (await client.raw(path, { signal })) as APIResourceList;
      for (const resource of resourcesOf(list)) {
        const id = `${resource.group}/${resource.plural}`;
        if (!found.has(id)) found.set(id, resource);
      }
    } catch (thrown) {
      failures.set(groupVersion, describeError(thrown));
    }
  };
  await read('/api/v1', 'v1');
  for (const group of groups.groups) {
    const preferred = group.preferredVersion?.groupVersion;
    // The preferred version first, so that its resources win over those of other versions.
    const versions = [...group.versions].sort(
      (a, b) => Number(b.groupVersion === preferred) - Number(a.groupVersion === preferred),
    );
    for (const { groupVersion } of versions) await read(`/apis/${groupVersion}`, groupVersion);
  }
  return { resources: [...found.values()], failures };
}

function resourcesOf(list: APIResourceList): readonly Resource[] {
  const [version = '', group = ''] = list.groupVersion.split('/').reverse();
  return list.resources
    .filter(({ name }) => !name.includes('/'))
    .map((found: APIResource) => ({
      group,
      version,
      kind: found.kind,
      plural: found.name,
      singular: found.singularName,
      listKind: `${found.kind}List`,
      namespaced: found.namespaced,
      shortNames: found.shortNames ?? [],
      categories: found.categories ?? [],
      // The verbs of resources, as discovery lists them, are the verbs that Resource knows.
      verbs: found.verbs as readonly Verb[],
      subresources: [],
      typeName: null,
    }));
}

export function hasVerbs(resource: Resource, ...verbs: readonly Verb[]): boolean {
  return verbs.every((verb) => resource.verbs.includes(verb));
}

import { createHash } from 'node:crypto';
import { apiVersionOf, groupResourceOf, type Resource, type Subresource } from '../../kube/resource.ts';
import type { CatalogGroup, CatalogResource, CatalogVersion } from './catalog.ts';

/** metav1.APIVersions, the answer of /api. */
export function apiVersions(serverAddress: string): object {
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
}

/** metav1.APIGroupList, the answer of /apis. */
export function apiGroupList(groups: readonly CatalogGroup[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupMembers) };
}

/** metav1.APIGroup, the answer of /apis/GROUP. */
export function apiGroup(group: CatalogGroup): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupMembers(group) };
}

function groupMembers({ name, versions }: CatalogGroup): object {
  const all = versions.map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: all, preferredVersion: all[0] };
}

/** metav1.APIResourceList, the answer of /apis/GROUP/VERSION and /api/v1. */
export function apiResourceList({ name }: CatalogGroup, { version, resources }: CatalogVersion): object {
  return {
    kind: 'APIResourceList',
    // The oldest group answers as it did before kinds had versions.
    ...(name === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: apiVersionOf({ group: name, version }),
    resources: resources.flatMap(resourceMembers),
  };
}

function resourceMembers(one: CatalogResource): readonly object[] {
  const { plural, singular, namespaced, kind, verbs, shortNames, categories, subresources } = one.resource;
  const main = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(one.storedAs === undefined ? {} : { storageVersionHash: storageVersionHash(one.storedAs, one.resource) }),
  };
  const below = subresources.map((subresource) => ({
    name: `${plural}/${subresource.name}`,
    singularName: '',
    namespaced,
    ...(isOwn(subresource, one.resource) ? {} : { group: subresource.group, version: subresource.version }),
    kind: subresource.kind,
    verbs: subresource.verbs,
  }));
  return [main, ...below];
}

// A body of the resource's own group version goes without saying.
function isOwn(subresource: Subresource, { group, version }: Resource): boolean {
  return subresource.group === group && subresource.version === version;
}

// Upstream keeps storing these in an older version than it prefers, so that the last release can read them.
const olderStorage: Readonly<Record<string, string>> = {
  'customresourcedefinitions.apiextensions.k8s.io': 'v1beta1',
  'mutatingadmissionpolicies.admissionregistration.k8s.io': 'v1beta1',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': 'v1beta1',
};

/** Changes when objects are stored in another version: migrations wait for it. */
function storageVersionHash(
  { group, version, kind }: { readonly group: string; readonly version: string; readonly kind: string },
  resource: Resource,
): string {
  const stored = olderStorage[groupResourceOf(resource)] ?? version;
  const digest = createHash('sha256').update(`${group}/${stored}/${kind}`).digest();
  return digest.subarray(0, 8).toString('base64');
}

/** apidiscovery.k8s.io/v2 APIGroupDiscoveryList (KEP-3352): all groups with all their resources. */
export function apiGroupDiscoveryList(groups: readonly CatalogGroup[]): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map(({ version, resources }) => ({
        version,
        resources: resources.map(discoveredResource),
        freshness: 'Current',
      })),
    })),
  };
}

function discoveredResource({ resource, isCustom }: CatalogResource): object {
  const { group, version, kind, plural, singular, namespaced, verbs, shortNames, categories, subresources } = resource;
  const own = isCustom ? { group, version, kind } : { group: '', version: '', kind };
  return {
    resource: plural,
    responseKind: own,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length > 0
      ? {
          subresources: subresources.map((one) => ({
            subresource: one.name,
            responseKind: isOwn(one, resource)
              ? { ...own, kind: one.kind }
              : { group: one.group, version: one.version, kind: one.kind },
            verbs: one.verbs,
          })),
        }
      : {}),
  };
}

import type { Resource } from '../../kube/resource.ts';
import { versionInfo } from '../version.ts';
import { builtinType, listTypeOf, metaTypes } from './builtin-types.ts';
import { type Document, type PathItem, reference, referencesIn, type SchemaObject } from './document.ts';
import { operation, pathItem } from './operations.ts';
import { groupTitle, pathsOf, tagOf } from './paths.ts';

type Paths = Readonly<Record<string, PathItem>>;

/** The document of a built-in group version. */
export function builtinDocument(group: string, version: string, resources: readonly Resource[]): Document {
  const base = group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`;
  const title = `${groupTitle(group)}${version.charAt(0).toUpperCase()}${version.slice(1)}`;
  const id = `get${title}APIResources`;
  const paths: Record<string, PathItem> = {
    [base]: discoveryPath(tagOf(group, version), id, 'APIResourceList'),
  };
  for (const resource of resources) {
    const { typeName, listKind } = resource;
    if (typeName === null) continue;
    const own = {
      object: typeName,
      list: listTypeOf(typeName, listKind),
      subresource: bodyTypeOf,
    };
    Object.assign(paths, pathsOf(resource, own));
  }
  return documentOf(paths, { group, version });
}

const bodyTypes: Readonly<Record<string, string>> = {
  Binding: 'io.k8s.api.core.v1.Binding',
  Eviction: 'io.k8s.api.policy.v1.Eviction',
  Scale: 'io.k8s.api.autoscaling.v1.Scale',
  TokenRequest: 'io.k8s.api.authentication.v1.TokenRequest',
};

export function bodyTypeOf({ kind }: { readonly kind: string }): string | undefined {
  return bodyTypes[kind];
}

/** The documents of what has no resources: /api, /apis, a group, /version. */
export function pathDocument(path: string): Document {
  if (path === 'version') {
    const info = 'io.k8s.apimachinery.pkg.version.Info';
    const get = operation({
      tag: 'version',
      id: 'getCodeVersion',
      codes: [200],
      answer: reference(info),
      answerTypes: ['application/json'],
    });
    return documentOf({ '/version/': pathItem({ get }) });
  }
  if (path === 'api') return documentOf({ '/api/': discoveryPath('core', 'getCoreAPIVersions', 'APIVersions') });
  if (path === 'apis') return documentOf({ '/apis/': discoveryPath('apis', 'getAPIVersions', 'APIGroupList') });
  const group = path.slice('apis/'.length);
  const id = `get${groupTitle(group)}APIGroup`;
  return documentOf({ [`/${path}/`]: discoveryPath(tagOf(group), id, 'APIGroup') });
}

function discoveryPath(tag: string, id: string, kind: string): PathItem {
  return pathItem({ get: operation({ tag, id, codes: [200], answer: reference(metaTypes + kind) }) });
}

interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

function documentOf(paths: Paths, owner?: GroupVersion): Document {
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: `${versionInfo.major}.${versionInfo.minor}` },
    paths,
    components: {
      schemas: schemasFor(paths, {}, owner),
      securitySchemes: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
    },
  };
}

// These belong to every group, and say so for the group of the document.
const everywhere: readonly string[] = ['DeleteOptions', 'WatchEvent'];

/** All types that the paths need, and those that these need, by name. */
export function schemasFor(
  paths: Paths,
  own: Readonly<Record<string, SchemaObject>>,
  owner?: GroupVersion,
): Readonly<Record<string, SchemaObject>> {
  const schemas: Record<string, SchemaObject> = {};
  const waiting = [...Object.keys(own), ...referencesIn(paths)];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (schemas[name] !== undefined) continue;
    const schema = own[name] ?? builtinType(name);
    if (schema === undefined) continue;
    const kind = everywhere.find((one) => name === metaTypes + one);
    schemas[name] = kind === undefined || owner === undefined ? schema : ofGroups(schema, kind, owner);
    waiting.push(...referencesIn(schema));
  }
  return Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function ofGroups(schema: SchemaObject, kind: string, owner: GroupVersion): SchemaObject {
  const core = { group: '', version: 'v1' };
  const owners = owner.group === '' ? [core] : [core, owner];
  const kinds = owners.map(({ group, version }) => ({ group, version, kind }));
  return { ...schema, 'x-kubernetes-group-version-kind': kinds };
}

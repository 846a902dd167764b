import type { Resource, Subresource, Verb } from '../../kube/resource.ts';
import { groupResourceOf } from '../../kube/resource.ts';
import { returnsObject } from '../registry/delete.ts';
import { metaTypes } from './builtin-types.ts';
import { connectPaths } from './connect-paths.ts';
import { type Parameter, type PathItem, reference, type SchemaObject } from './document.ts';
import { operation, pathItem, pathParameter, queryParameter } from './operations.ts';

/** Names of the types of a resource's bodies. */
export interface ResourceTypes {
  readonly object: string;
  readonly list: string;
  /** Of a subresource's bodies. */
  readonly subresource: (subresource: Subresource) => string | undefined;
}

const selection = [
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'shardSelector',
  'timeoutSeconds',
];
const listQuery = ['allowWatchBookmarks', ...selection, 'watch'];
const writeQuery = ['dryRun', 'fieldManager', 'fieldValidation'];
const deleteQuery = [
  'dryRun',
  'gracePeriodSeconds',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
  'orphanDependents',
  'propagationPolicy',
];
const collectionQuery = [...selection, ...deleteQuery].sort();
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

/** `Apps` of `apps`, `RbacAuthorization` of `rbac.authorization.k8s.io`: how operations name a group. */
export function groupTitle(group: string): string {
  if (group === '') return 'Core';
  const parts = group.replace(/\.k8s\.io$/, '').split('.');
  return parts.map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join('');
}

/** `apps_v1`, `core_v1`: under which operations are listed. */
export function tagOf(group: string, version?: string): string {
  const title = groupTitle(group);
  const tag = title.charAt(0).toLowerCase() + title.slice(1);
  return version === undefined ? tag : `${tag}_${version}`;
}

/** All paths of a resource and its subresources. */
export function pathsOf(resource: Resource, types: ResourceTypes): Readonly<Record<string, PathItem>> {
  return new ResourcePaths(resource, types).all();
}

class ResourcePaths {
  readonly #resource: Resource;
  readonly #types: ResourceTypes;
  readonly #tag: string;
  /** `AppsV1`. */
  readonly #title: string;
  readonly #scope: string;
  readonly #base: string;

  constructor(resource: Resource, types: ResourceTypes) {
    this.#resource = resource;
    this.#types = types;
    const { group, version, namespaced } = resource;
    this.#tag = tagOf(group, version);
    this.#title = groupTitle(group) + version.charAt(0).toUpperCase() + version.slice(1);
    this.#scope = namespaced ? 'Namespaced' : '';
    this.#base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  }

  all(): Readonly<Record<string, PathItem>> {
    const { plural, namespaced, subresources } = this.#resource;
    const below = namespaced ? `/namespaces/{namespace}/${plural}` : `/${plural}`;
    const collection = this.#base + below;
    const watched = `${this.#base}/watch`;
    const paths: Record<string, PathItem> = {};
    const add = (path: string, item: PathItem) => {
      if (Object.keys(item).some((name) => name !== 'parameters')) paths[path] = item;
    };
    add(collection, this.#collection());
    add(`${collection}/{name}`, this.#object());
    if (namespaced && this.#has('list')) add(`${this.#base}/${plural}`, this.#everywhere());
    if (this.#has('watch')) {
      add(`${watched}${below}`, this.#watch(`${this.#kindName}List`, 'watchlist', this.#place()));
      add(`${watched}${below}/{name}`, this.#watch(this.#kindName, 'watch', [pathParameter('name'), ...this.#place()]));
      if (namespaced) {
        const name = `${this.#resource.kind}ListForAllNamespaces`;
        add(`${watched}/${plural}`, this.#watch(name, 'watchlist', []));
      }
    }
    for (const subresource of subresources) {
      const path = `${collection}/{name}/${subresource.name}`;
      const connecting = connectPaths(path, this.#resource, subresource, this.#title, this.#tag, this.#nameAndPlace());
      if (connecting !== undefined) Object.assign(paths, connecting);
      else add(path, this.#subresource(subresource));
    }
    return paths;
  }

  get #kindName(): string {
    return this.#scope + this.#resource.kind;
  }

  #has(verb: Verb): boolean {
    return this.#resource.verbs.includes(verb);
  }

  #place(): readonly Parameter[] {
    return this.#resource.namespaced ? [pathParameter('namespace')] : [];
  }

  #nameAndPlace(): readonly Parameter[] {
    return [pathParameter('name'), ...this.#place()];
  }

  #shared(): {
    readonly tag: string;
    readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  } {
    const { group, version, kind } = this.#resource;
    return { tag: this.#tag, kind: { group, version, kind } };
  }

  #collection(): PathItem {
    const object = reference(this.#types.object);
    const list = this.#has('list')
      ? operation({
          ...this.#shared(),
          id: `list${this.#title}${this.#kindName}`,
          query: listQuery,
          codes: [200],
          answer: reference(this.#types.list),
          isStream: true,
          action: 'list',
        })
      : undefined;
    const create = this.#has('create')
      ? operation({
          ...this.#shared(),
          id: `create${this.#title}${this.#kindName}`,
          query: writeQuery,
          body: object,
          codes: [200, 201, 202],
          answer: object,
          action: 'post',
        })
      : undefined;
    const remove = this.#has('deletecollection')
      ? operation({
          ...this.#shared(),
          id: `delete${this.#title}Collection${this.#kindName}`,
          query: collectionQuery,
          body: reference(`${metaTypes}DeleteOptions`),
          isBodyOptional: true,
          codes: [200],
          answer: reference(`${metaTypes}Status`),
          action: 'deletecollection',
        })
      : undefined;
    return pathItem({ get: list, post: create, delete: remove }, [...this.#place(), queryParameter('pretty')]);
  }

  #everywhere(): PathItem {
    const list = operation({
      ...this.#shared(),
      id: `list${this.#title}${this.#resource.kind}ForAllNamespaces`,
      query: listQuery,
      codes: [200],
      answer: reference(this.#types.list),
      isStream: true,
      action: 'list',
    });
    return pathItem({ get: list }, [queryParameter('pretty')]);
  }

  #watch(name: string, action: string, place: readonly Parameter[]): PathItem {
    const get = operation({
      ...this.#shared(),
      id: `watch${this.#title}${name}`,
      query: listQuery,
      codes: [200],
      answer: reference(`${metaTypes}WatchEvent`),
      isStream: true,
      action,
    });
    return pathItem({ get }, [...place, queryParameter('pretty')]);
  }

  #object(): PathItem {
    const object = reference(this.#types.object);
    const remove = this.#has('delete')
      ? operation({
          ...this.#shared(),
          id: `delete${this.#title}${this.#kindName}`,
          query: deleteQuery,
          body: reference(`${metaTypes}DeleteOptions`),
          isBodyOptional: true,
          codes: [200, 202],
          answer: returnsObject.has(groupResourceOf(this.#resource)) ? object : reference(`${metaTypes}Status`),
          action: 'delete',
        })
      : undefined;
    const { verbs } = this.#resource;
    const rest = this.#readAndWrite(verbs, this.#kindName, object, this.#shared().kind);
    return pathItem({ ...rest, delete: remove }, [...this.#nameAndPlace(), queryParameter('pretty')]);
  }

  #subresource(subresource: Subresource): PathItem {
    const { name, group, version, kind, verbs } = subresource;
    const type = this.#types.subresource(subresource) ?? this.#types.object;
    const title = this.#kindName + name.charAt(0).toUpperCase() + name.slice(1);
    const body = reference(type);
    const create = verbs.includes('create')
      ? operation({
          ...this.#shared(),
          kind: { group, version, kind },
          id: `create${this.#title}${title}`,
          query: writeQuery,
          body,
          codes: [200, 201, 202],
          answer: body,
          action: 'post',
        })
      : undefined;
    const rest = this.#readAndWrite(verbs, title, body, { group, version, kind });
    return pathItem({ ...rest, post: create }, [...this.#nameAndPlace(), queryParameter('pretty')]);
  }

  #readAndWrite(
    verbs: readonly Verb[],
    title: string,
    body: SchemaObject,
    kind: { readonly group: string; readonly version: string; readonly kind: string },
  ): Pick<PathItem, 'get' | 'put' | 'patch'> {
    const shared = { tag: this.#tag, kind };
    const isCustom = this.#resource.typeName === null;
    return {
      ...(verbs.includes('get') && {
        get: operation({ ...shared, id: `read${this.#title}${title}`, codes: [200], answer: body, action: 'get' }),
      }),
      ...(verbs.includes('update') && {
        put: operation({
          ...shared,
          id: `replace${this.#title}${title}`,
          query: writeQuery,
          body,
          codes: [200, 201],
          answer: body,
          action: 'put',
        }),
      }),
      ...(verbs.includes('patch') && {
        patch: operation({
          ...shared,
          id: `patch${this.#title}${title}`,
          query: [...writeQuery, 'force'],
          body: reference(`${metaTypes}Patch`),
          bodyTypes: isCustom ? patchTypes.slice(0, 3) : patchTypes,
          codes: isCustom ? [200] : [200, 201],
          answer: body,
          action: 'patch',
        }),
      }),
    };
  }
}

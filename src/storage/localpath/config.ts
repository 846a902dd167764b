import path from 'node:path';
import { WherryError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';

/** The node name under which config.json lists the paths of all nodes that it does not name. */
export const defaultNode = 'DEFAULT_PATH_FOR_NON_LISTED_NODES';

/** Where volumes may live: either a list of base paths for each node, or one path on a file system that all nodes share. */
export interface LocalPathConfig {
  /** Base paths by node name, `defaultNode` included. */
  readonly nodePaths: ReadonlyMap<string, readonly string[]>;
  readonly sharedFileSystemPath: string | undefined;
}

/**
 * Reads config.json of the local-path-config ConfigMap, in the format of Rancher's local-path-provisioner:
 * nodePathMap and sharedFileSystemPath; storageClassConfigs by class name override the rest.
 * Throws WherryError LOCAL_PATH_CONFIG that names the member that is wrong.
 */
export function parseConfig(text: string, className: string): LocalPathConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw refuse('it is not JSON', { cause });
  }
  if (!isObject(json)) throw refuse('it is not an object');
  const classes = json['storageClassConfigs'];
  if (classes === undefined) return parsePart(json, '');
  if (!isObject(classes)) throw refuse('storageClassConfigs is not an object');
  const own = classes[className];
  if (own === undefined) return parsePart(json, '');
  if (!isObject(own)) throw refuse(`storageClassConfigs.${className} is not an object`);
  return parsePart(own, `storageClassConfigs.${className}.`);
}

function parsePart(json: Readonly<Record<string, unknown>>, at: string): LocalPathConfig {
  const shared = json['sharedFileSystemPath'];
  const list = json['nodePathMap'] ?? [];
  if (shared !== undefined && shared !== '') {
    if (typeof shared !== 'string' || !path.isAbsolute(shared))
      throw refuse(`${at}sharedFileSystemPath is not an absolute path`);
    if (Array.isArray(list) && list.length > 0)
      throw refuse(`${at}nodePathMap and ${at}sharedFileSystemPath are both given`);
    return { nodePaths: new Map(), sharedFileSystemPath: path.normalize(shared) };
  }
  if (!Array.isArray(list)) throw refuse(`${at}nodePathMap is not a list`);
  const nodePaths = new Map<string, readonly string[]>();
  for (const [i, entry] of list.entries()) {
    const where = `${at}nodePathMap[${i}]`;
    if (!isObject(entry) || typeof entry['node'] !== 'string') throw refuse(`${where}.node is not a text`);
    const { node, paths = [] } = entry;
    if (nodePaths.has(node)) throw refuse(`${where}.node: ${node} is listed twice`);
    if (!Array.isArray(paths)) throw refuse(`${where}.paths is not a list`);
    nodePaths.set(
      node,
      paths.map((p, j) => basePath(p, `${where}.paths[${j}]`)),
    );
  }
  return { nodePaths, sharedFileSystemPath: undefined };
}

function basePath(value: unknown, where: string): string {
  if (typeof value !== 'string' || !path.isAbsolute(value)) throw refuse(`${where} is not an absolute path`);
  const normal = path.normalize(value).replace(/(.)\/+$/, '$1');
  if (normal === '/') throw refuse(`${where}: the root directory can't hold volumes`);
  return normal;
}

function refuse(what: string, options: { readonly cause?: unknown } = {}): WherryError {
  return new WherryError('LOCAL_PATH_CONFIG', `config.json: ${what}`, {
    ...options,
    hint: 'mend config.json in the ConfigMap local-path-config; until then the last good one stays in force',
  });
}

/** The base paths of a node: its own entry, else the default one. An empty list means that the node takes no volumes. */
export function pathsOfNode(config: LocalPathConfig, nodeName: string): readonly string[] {
  if (config.sharedFileSystemPath !== undefined) return [config.sharedFileSystemPath];
  return config.nodePaths.get(nodeName) ?? config.nodePaths.get(defaultNode) ?? [];
}

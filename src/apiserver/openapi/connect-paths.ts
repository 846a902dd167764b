import type { Resource, Subresource } from '../../kube/resource.ts';
import type { Method, Operation, Parameter, PathItem } from './document.ts';
import { operation, pathItem, pathParameter, queryParameter } from './operations.ts';

interface Connection {
  readonly methods: readonly Method[];
  readonly query: readonly string[];
  /** A path may go on behind it. */
  readonly takesPath?: boolean;
}

const streaming: readonly Method[] = ['get', 'post'];
const proxying: readonly Method[] = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];
const connections: Readonly<Record<string, Connection>> = {
  attach: { methods: streaming, query: ['container', 'stderr', 'stdin', 'stdout', 'tty'] },
  exec: { methods: streaming, query: ['command', 'container', 'stderr', 'stdin', 'stdout', 'tty'] },
  portforward: { methods: streaming, query: ['ports'] },
  proxy: { methods: proxying, query: ['path'], takesPath: true },
};
const logQuery = [
  'container',
  'follow',
  'insecureSkipTLSVerifyBackend',
  'limitBytes',
  'pretty',
  'previous',
  'sinceSeconds',
  'stream',
  'tailLines',
  'timestamps',
];
const text = { type: 'string' };

/** The paths of a subresource whose bodies are no objects (exec, log, proxy); undefined for all others. */
export function connectPaths(
  path: string,
  resource: Resource,
  subresource: Subresource,
  title: string,
  tag: string,
  place: readonly Parameter[],
): Readonly<Record<string, PathItem>> | undefined {
  const { group, version, kind, name } = subresource;
  const owner = (resource.namespaced ? 'Namespaced' : '') + resource.kind;
  const suffix = name.charAt(0).toUpperCase() + name.slice(1);
  const shared = { tag, kind: { group, version, kind }, codes: [200], answer: text };
  if (resource.plural === 'pods' && name === 'log') {
    const answerTypes = ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml', 'text/plain'];
    const get = operation({ ...shared, id: `read${title}${owner}Log`, answerTypes, action: 'get' });
    return { [path]: pathItem({ get }, [...place, ...logQuery.map(queryParameter)]) };
  }
  const connection = connections[name];
  if (resource.group !== '' || connection === undefined) return undefined;
  const item = (end: string, parameters: readonly Parameter[]) => {
    const operations: { [M in Method]?: Operation } = {};
    for (const method of connection.methods) {
      const id = `connect${title}${method.charAt(0).toUpperCase()}${method.slice(1)}${owner}${suffix}${end}`;
      operations[method] = operation({ ...shared, id, answerTypes: ['*/*'], action: 'connect' });
    }
    return pathItem(operations, [...place, ...connection.query.map(queryParameter), ...parameters]);
  };
  const paths: Record<string, PathItem> = { [path]: item('', []) };
  if (connection.takesPath) paths[`${path}/{path}`] = item('WithPath', [pathParameter('path')]);
  return paths;
}

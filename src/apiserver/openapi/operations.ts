import type { Content, GroupVersionKind, Method, Operation, Parameter, PathItem, SchemaObject } from './document.ts';

const parameterTypes: Readonly<Record<string, 'boolean' | 'integer'>> = {
  allowWatchBookmarks: 'boolean',
  follow: 'boolean',
  force: 'boolean',
  gracePeriodSeconds: 'integer',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
  insecureSkipTLSVerifyBackend: 'boolean',
  limit: 'integer',
  limitBytes: 'integer',
  orphanDependents: 'boolean',
  ports: 'integer',
  previous: 'boolean',
  sendInitialEvents: 'boolean',
  sinceSeconds: 'integer',
  stderr: 'boolean',
  stdin: 'boolean',
  stdout: 'boolean',
  tailLines: 'integer',
  timeoutSeconds: 'integer',
  timestamps: 'boolean',
  tty: 'boolean',
  watch: 'boolean',
};

export function queryParameter(name: string): Parameter {
  return { name, in: 'query', schema: { type: parameterTypes[name] ?? 'string', uniqueItems: true } };
}

export function pathParameter(name: string): Parameter {
  return { name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } };
}

const bodies = ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml'];
const streams = [
  'application/json',
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf',
  'application/vnd.kubernetes.protobuf;stream=watch',
  'application/yaml',
];

export function contentOf(types: readonly string[], schema: SchemaObject): Content {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

/** What an operation takes and gives. */
export interface OperationParts {
  readonly tag: string;
  readonly id: string;
  /** Query parameters beyond those of the path. */
  readonly query?: readonly string[];
  readonly body?: SchemaObject | undefined;
  readonly bodyTypes?: readonly string[];
  readonly isBodyOptional?: boolean;
  readonly codes: readonly number[];
  readonly answer: SchemaObject;
  readonly answerTypes?: readonly string[];
  readonly isStream?: boolean;
  readonly action?: string;
  readonly kind?: GroupVersionKind;
}

export function operation(parts: OperationParts): Operation {
  const { tag, id, query = [], body, codes, answer, action, kind } = parts;
  const content = contentOf(parts.answerTypes ?? (parts.isStream ? streams : bodies), answer);
  return {
    tags: [tag],
    operationId: id,
    ...(query.length > 0 ? { parameters: query.map(queryParameter) } : {}),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            content: contentOf(parts.bodyTypes ?? ['*/*'], body),
            ...(parts.isBodyOptional ? {} : { required: true }),
          },
        }),
    responses: { ...Object.fromEntries(codes.map((code) => [code, { content }])), 401: {} },
    ...(action === undefined ? {} : { 'x-kubernetes-action': action }),
    ...(kind === undefined ? {} : { 'x-kubernetes-group-version-kind': kind }),
  };
}

/** A path: parameters that all of its operations have are told once. */
export function pathItem(
  operations: { readonly [M in Method]?: Operation | undefined },
  common: readonly Parameter[] = [],
): PathItem {
  const present = Object.entries(operations).filter((entry): entry is [Method, Operation] => entry[1] !== undefined);
  const [first] = present;
  const inAll = (first?.[1].parameters ?? []).filter(({ name }) =>
    present.every(([, { parameters }]) => parameters?.some((one) => one.name === name)),
  );
  const order = (parameter: Parameter) => `${parameter.name} ${parameter.in}`;
  const shared = [...common, ...inAll].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const own = present.map(([method, { parameters, ...rest }]) => {
    const left = (parameters ?? []).filter(({ name }) => !inAll.some((one) => one.name === name));
    return [method, left.length > 0 ? { ...rest, parameters: left } : rest];
  });
  return { ...Object.fromEntries(own), ...(shared.length > 0 ? { parameters: shared } : {}) };
}

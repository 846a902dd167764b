import { duplicate, invalid, notSupported, required } from '../../field-error.ts';
import type { NamedRuleWithOperations, RuleWithOperations } from '../../types.gen.ts';
import { type Errors, supportedValue } from '../common.ts';
import { pathSegment } from '../path-segment.ts';

export const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/** Which requests a webhook or a policy is asked about. */
export function* validateRule(rule: RuleWithOperations, field: string): Errors {
  const { operations: given = [], apiGroups = [], apiVersions = [] } = rule;
  yield* wildcardAlone(given, `${field}.operations`, 'operations');
  for (const [index, operation] of given.entries()) {
    if (!operations.includes(operation)) yield notSupported(`${field}.operations[${index}]`, operation, operations);
  }
  yield* wildcardAlone(apiGroups, `${field}.apiGroups`, 'API groups');
  yield* wildcardAlone(apiVersions, `${field}.apiVersions`, 'API versions');
  for (const [index, version] of apiVersions.entries()) {
    if (version === '') yield required(`${field}.apiVersions[${index}]`);
  }
  yield* validateResources(rule.resources ?? [], `${field}.resources`);
  yield* supportedValue(rule.scope, scopes, `${field}.scope`);
}

export function* validateNamedRule(rule: NamedRuleWithOperations, field: string): Errors {
  const names = rule.resourceNames ?? [];
  for (const [index, name] of names.entries()) {
    const path = `${field}.resourceNames[${index}]`;
    yield* pathSegment(name, path);
    if (names.indexOf(name) < index) yield duplicate(path, name);
  }
  yield* validateRule(rule, field);
}

function* wildcardAlone(values: readonly string[], field: string, what: string): Errors {
  if (values.length === 0) yield required(field);
  if (values.length > 1 && values.includes('*')) {
    yield invalid(field, values, `if '*' is present, must not specify other ${what}`);
  }
}

/** Resources with subresources: `pods`, `pods/log`, `pods/*`, and wildcards that swallow others. */
function* validateResources(resources: readonly string[], field: string): Errors {
  if (resources.length === 0) yield required(field);
  const wholes = new Set<string>();
  const everywhere = new Set<string>();
  // As upstream has it, the last resource without a subresource decides.
  let hasPlain = false;
  for (const [index, resource] of resources.entries()) {
    const path = `${field}[${index}]`;
    if (resource === '') {
      yield required(path);
      continue;
    }
    const slash = resource.indexOf('/');
    if (slash < 0) {
      hasPlain = resource !== '*';
      continue;
    }
    const name = resource.slice(0, slash);
    const subresource = resource.slice(slash + 1);
    if (wholes.has(name)) yield invalid(path, resource, `if '${name}/*' is present, must not specify ${resource}`);
    if (everywhere.has(subresource)) {
      yield invalid(path, resource, `if '*/${subresource}' is present, must not specify ${resource}`);
    }
    if (subresource === '*') wholes.add(name);
    if (name === '*') everywhere.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*')) {
    yield invalid(field, resources, "if '*/*' is present, must not specify other resources");
  }
  if (resources.includes('*') && hasPlain) {
    yield invalid(field, resources, "if '*' is present, must not specify other resources without subresources");
  }
}

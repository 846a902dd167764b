import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { isDns1035Label, isDns1123Subdomain } from '../../names.ts';
import type { MatchResources, ParamKind, ParamRef, Variable } from '../../types.gen.ts';
import { type Errors, requiredString } from '../common.ts';
import { parseGroupVersion, unexpectedGroupVersion } from '../group-version.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { pathSegment } from '../path-segment.ts';
import { validateNamedRule } from './rules.ts';

export const failurePolicies = ['Fail', 'Ignore'];
const matchPolicies = ['Equivalent', 'Exact'];
const notFoundActions = ['Deny', 'Allow'];

/** The kind of the objects by which a policy is parameterised. */
export function* validateParamKind({ apiVersion = '', kind = '' }: ParamKind, field: string): Errors {
  if (apiVersion === '') yield required(`${field}.apiVersion`);
  else yield* apiVersionErrors(apiVersion, `${field}.apiVersion`);
  if (kind === '') yield required(`${field}.kind`);
  else {
    const problems = isDns1035Label(kind.toLowerCase());
    if (problems.length > 0) {
      const detail = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
      yield invalid(`${field}.kind`, kind, detail);
    }
  }
}

function* apiVersionErrors(apiVersion: string, field: string): Errors {
  const parsed = parseGroupVersion(apiVersion);
  if (parsed === undefined) {
    yield invalid(field, apiVersion, unexpectedGroupVersion(apiVersion));
    return;
  }
  const { group, version } = parsed;
  const groupProblems = group === '' ? [] : isDns1123Subdomain(group);
  if (groupProblems.length > 0) yield invalid(field, group, groupProblems.join(','));
  if (version === '') {
    yield invalid(field, apiVersion, 'version must be specified');
    return;
  }
  const versionProblems = isDns1035Label(version);
  if (versionProblems.length > 0) yield invalid(field, version, versionProblems.join(','));
}

/** Which objects a policy or its binding is about. */
export function* validateMatchResources(resources: MatchResources, field: string): Errors {
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [], excludeResourceRules = [] } = resources;
  if (matchPolicy === undefined) yield required(`${field}.matchPolicy`);
  else if (!matchPolicies.includes(matchPolicy)) yield notSupported(`${field}.matchPolicy`, matchPolicy, matchPolicies);
  if (namespaceSelector === undefined) yield required(`${field}.namespaceSelector`);
  yield* validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`);
  if (objectSelector === undefined) yield required(`${field}.objectSelector`);
  yield* validateLabelSelector(objectSelector, `${field}.objectSelector`);
  for (const [index, rule] of resourceRules.entries())
    yield* validateNamedRule(rule, `${field}.resourceRules[${index}]`);
  for (const [index, rule] of excludeResourceRules.entries()) {
    yield* validateNamedRule(rule, `${field}.excludeResourceRules[${index}]`);
  }
}

/** The objects by which a binding parameterises its policy: by name or by labels. */
export function* validateParamRef(reference: ParamRef, field: string): Errors {
  const { name = '', selector, parameterNotFoundAction: action = '' } = reference;
  const exclusive = 'name and selector are mutually exclusive';
  if (name !== '') {
    yield* pathSegment(name, `${field}.name`);
    if (selector !== undefined) yield forbidden(`${field}.name`, exclusive);
  }
  if (selector !== undefined) {
    yield* validateLabelSelector(selector, `${field}.selector`);
    if (name !== '') yield forbidden(`${field}.selector`, exclusive);
  }
  if (name === '' && selector === undefined) yield required(field, 'one of name or selector must be specified');
  if (action === '') yield required(`${field}.parameterNotFoundAction`);
  else if (!notFoundActions.includes(action)) {
    yield notSupported(`${field}.parameterNotFoundAction`, action, notFoundActions);
  }
}

const identifierPattern = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const reservedWords = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return ' +
    'var void while'
  ).split(' '),
);

/** A named expression that others of the policy may refer to. */
export function* validateVariable({ name = '', expression = '' }: Partial<Variable>, field: string): Errors {
  if (name.trim() === '') yield required(`${field}.name`, 'name is not specified');
  else if (!identifierPattern.test(name) || reservedWords.has(name)) {
    yield invalid(`${field}.name`, name, 'must be a valid CEL identifier');
  }
  yield* requiredString(expression.trim(), `${field}.expression`, 'expression is not specified');
}

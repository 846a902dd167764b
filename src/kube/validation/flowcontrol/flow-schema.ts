import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { isDns1123Label, nameIsDnsSubdomain } from '../../names.ts';
import type {
  FlowSchema,
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  ServiceAccountSubject,
  Subject,
} from '../../types.gen.ts';
import { type Errors, each, namespaceName, requiredString } from '../common.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateObjectMeta } from '../meta.ts';
import { validateFlowConditions } from './conditions.ts';
import { mandatoryFlowSchemas } from './mandatory.ts';
import { nonResourceUrlProblem } from './non-resource-url.ts';

const precedenceMax = 10000;
const methods = ['ByNamespace', 'ByUser'];
const supportedVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

export function validateFlowSchema(schema: FlowSchema): readonly FieldError[] {
  return [...schemaErrors(schema)];
}

export function validateFlowSchemaUpdate(schema: FlowSchema): readonly FieldError[] {
  return [...validateObjectMeta(schema.metadata, { namespaced: false }), ...schemaErrors(schema)];
}

export function validateFlowSchemaStatusUpdate({ status }: FlowSchema): readonly FieldError[] {
  return [...validateFlowConditions(status?.conditions ?? [])];
}

function* schemaErrors({ metadata, spec, status }: FlowSchema): Errors {
  const { name = '' } = metadata;
  yield* specErrors(name, spec ?? {});
  const mandatory = mandatoryFlowSchemas.get(name);
  const form = internalForm('FlowSchemaSpec', spec ?? {});
  if (mandatory !== undefined && !semanticallyEqual(form, internalForm('FlowSchemaSpec', mandatory))) {
    yield invalid('spec', form, `spec of '${name}' must equal the fixed value`);
  }
  yield* validateFlowConditions(status?.conditions ?? []);
}

function* specErrors(name: string, spec: Partial<FlowSchemaSpec>): Errors {
  const { matchingPrecedence: precedence = 0, distinguisherMethod: method, rules = [] } = spec;
  if (precedence <= 0) yield invalid('spec.matchingPrecedence', precedence, 'must be a positive value');
  if (precedence > precedenceMax) {
    yield invalid('spec.matchingPrecedence', precedence, `must not be greater than ${precedenceMax}`);
  }
  if (precedence === 1 && name !== 'exempt') {
    const detail = "only the schema named 'exempt' may have matchingPrecedence 1";
    yield invalid('spec.matchingPrecedence', precedence, detail);
  }
  if (method !== undefined && !methods.includes(method.type)) {
    yield notSupported('spec.distinguisherMethod.type', internalForm('FlowDistinguisherMethod', method), methods);
  }
  const level = spec.priorityLevelConfiguration?.name ?? '';
  const field = 'spec.priorityLevelConfiguration.name';
  if (level === '') yield required(field, 'must reference a priority level');
  else yield* each(nameIsDnsSubdomain(level, false), field, level);
  for (const [index, rule] of rules.entries()) yield* ruleErrors(rule, `spec.rules[${index}]`);
}

function* ruleErrors(rule: Partial<PolicyRulesWithSubjects>, field: string): Errors {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
  if (subjects.length === 0) yield required(`${field}.subjects`, 'subjects must contain at least one value');
  for (const [index, subject] of subjects.entries()) yield* subjectErrors(subject, `${field}.subjects[${index}]`);
  if (resourceRules.length === 0 && nonResourceRules.length === 0) {
    yield required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  }
  for (const [index, one] of resourceRules.entries()) yield* resourceErrors(one, `${field}.resourceRules[${index}]`);
  for (const [index, one] of nonResourceRules.entries()) yield* urlErrors(one, `${field}.nonResourceRules[${index}]`);
}

const subjectMembers: Readonly<Record<string, 'serviceAccount' | 'user' | 'group'>> = {
  ServiceAccount: 'serviceAccount',
  User: 'user',
  Group: 'group',
};

function* subjectErrors(subject: Subject, field: string): Errors {
  const { kind = '' } = subject;
  const member = subjectMembers[kind];
  if (member === undefined) {
    yield notSupported(`${field}.kind`, kind, ['Group', 'ServiceAccount', 'User']);
    return;
  }
  const path = `${field}.${member}`;
  if (subject[member] === undefined) yield required(path, `${member} is required when subject kind is '${kind}'`);
  else if (member === 'serviceAccount') yield* serviceAccountErrors(subject.serviceAccount ?? {}, path);
  else yield* requiredString(subject[member]?.name, `${path}.name`);
  for (const [otherKind, other] of Object.entries(subjectMembers)) {
    if (other === member || subject[other] === undefined) continue;
    yield forbidden(`${field}.${other}`, `${other} is forbidden when subject kind is not '${otherKind}'`);
  }
}

function* serviceAccountErrors({ name = '', namespace = '' }: Partial<ServiceAccountSubject>, field: string): Errors {
  if (name === '') yield required(`${field}.name`);
  else if (name !== '*') yield* each(nameIsDnsSubdomain(name, false), `${field}.name`, name);
  if (namespace === '') yield required(`${field}.namespace`, 'must specify namespace for service account');
  else yield* namespaceName(namespace, `${field}.namespace`);
}

function* verbsErrors(verbs: readonly string[], field: string): Errors {
  if (verbs.length === 0) yield required(field, 'verbs must contain at least one value');
  else if (verbs.includes('*')) yield* onlyWildcard(verbs, field, 'verbs');
  else if (!verbs.every((verb) => supportedVerbs.includes(verb))) yield notSupported(field, verbs, supportedVerbs);
}

function* onlyWildcard(values: readonly string[], field: string, what: string): Errors {
  if (values.length > 1 && values.includes('*')) {
    yield invalid(field, values, `if '*' is present, must not specify other ${what}`);
  }
}

function* urlErrors({ verbs = [], nonResourceURLs: urls = [] }: Partial<NonResourcePolicyRule>, field: string): Errors {
  yield* verbsErrors(verbs, `${field}.verbs`);
  const path = `${field}.nonResourceURLs`;
  if (urls.length === 0) yield required(path, 'nonResourceURLs must contain at least one value');
  else if (urls.includes('*')) yield* onlyWildcard(urls, path, 'non-resource URLs');
  else {
    for (const [index, url] of urls.entries()) {
      const problem = nonResourceUrlProblem(url);
      if (problem !== undefined) yield invalid(`${path}[${index}]`, url, problem);
    }
  }
}

function* resourceErrors(rule: Partial<ResourcePolicyRule>, field: string): Errors {
  const { verbs = [], apiGroups = [], resources = [], namespaces = [], clusterScope = false } = rule;
  yield* verbsErrors(verbs, `${field}.verbs`);
  if (apiGroups.length === 0) {
    yield required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  } else yield* onlyWildcard(apiGroups, `${field}.apiGroups`, 'api groups');
  if (resources.length === 0) yield required(`${field}.resources`, 'resource rules must supply at least one resource');
  else yield* onlyWildcard(resources, `${field}.resources`, 'resources');
  const path = `${field}.namespaces`;
  if (namespaces.length === 0 && !clusterScope) {
    yield required(path, 'resource rules that are not cluster scoped must supply at least one namespace');
  } else if (namespaces.includes('*')) yield* onlyWildcard(namespaces, path, 'namespaces');
  else {
    const rule = "each member of this list must be '*' or a DNS-1123 label; ";
    for (const [index, namespace] of namespaces.entries()) {
      const messages = isDns1123Label(namespace).map((message) => `${rule}${message}`);
      yield* each(messages, `${path}[${index}]`, namespace);
    }
  }
}

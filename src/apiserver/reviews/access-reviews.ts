import { isObject } from '../../core/json.ts';
import { type FieldError, invalid as invalidField } from '../../kube/field-error.ts';
import { parseFieldQuery, parseLabelQuery, SelectorError } from '../../kube/selector.ts';
import type {
  FieldSelectorAttributes,
  LabelSelectorAttributes,
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReviewSpec,
} from '../../kube/types.gen.ts';
import type { UserInfo } from '../../kube/user.ts';
import type { Authorization } from '../authz/authorization.ts';
import { badRequest, invalid } from '../errors.ts';
import type { AuthorizationAttributes } from '../request.ts';
import { internalNonResource, validateAccessSpec, validateSelfAccessSpec } from './access-validation.ts';
import type { ReviewContext, ReviewHandler } from './review.ts';

// Upstream's messages about these carry the group and no kind.
const unnamed = { group: 'authorization.k8s.io', kind: '' };

/** What may somebody do? One answer of the cluster's authorizers. */
export class AccessReviews {
  private readonly authorization: Authorization;

  constructor(authorization: Authorization) {
    this.authorization = authorization;
  }

  readonly subject: ReviewHandler = (body) => {
    const spec = specOf(body);
    refuseUnless([...validateAccessSpec(spec), ...validateMetadata(body)]);
    return this.answer(body, spec, subjectOf(spec));
  };

  readonly self: ReviewHandler = (body, { user }) => {
    const spec = specOf(body);
    refuseUnless([...validateSelfAccessSpec(spec), ...validateMetadata(body)]);
    return this.answer(body, spec, user);
  };

  readonly local: ReviewHandler = (body, { namespace }) => {
    const spec = specOf(body);
    const errors = [...validateAccessSpec(spec), ...validateMetadata(body, true)];
    const { resourceAttributes, nonResourceAttributes } = spec;
    if (resourceAttributes !== undefined && (resourceAttributes.namespace ?? '') !== namespace) {
      const field = 'spec.resourceAttributes.namespace';
      errors.push(invalidField(field, resourceAttributes.namespace ?? '', 'must match metadata.namespace'));
    }
    if (nonResourceAttributes !== undefined) {
      const value = internalNonResource(nonResourceAttributes);
      errors.push(invalidField('spec.nonResourceAttributes', value, 'disallowed on this kind of request'));
    }
    refuseUnless(errors);
    return this.answer(body, spec, subjectOf(spec));
  };

  readonly rules: ReviewHandler = (body, context: ReviewContext) => {
    const spec: unknown = body['spec'];
    const namespace = isObject(spec) && typeof spec['namespace'] === 'string' ? spec['namespace'] : '';
    if (namespace === '') throw badRequest('no namespace on request');
    const { rules, incomplete, evaluationError } = this.authorization.rulesFor(context.user, namespace);
    return {
      kind: 'SelfSubjectRulesReview',
      apiVersion: 'authorization.k8s.io/v1',
      metadata: {},
      spec: {},
      status: {
        resourceRules: rules
          .filter((rule) => (rule.resources ?? []).length > 0)
          .map(({ verbs, apiGroups, resources, resourceNames }) => ({
            verbs,
            apiGroups,
            resources,
            ...((resourceNames ?? []).length > 0 && { resourceNames }),
          })),
        nonResourceRules: rules
          .filter((rule) => (rule.nonResourceURLs ?? []).length > 0)
          .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
        incomplete,
        ...(evaluationError && { evaluationError }),
      },
    };
  };

  private answer(body: Readonly<Record<string, unknown>>, spec: SubjectAccessReviewSpec, user: UserInfo): object {
    const { resourceAttributes, nonResourceAttributes } = spec;
    const problems: string[] = [];
    const attributes =
      resourceAttributes === undefined
        ? nonResource(user, nonResourceAttributes ?? {})
        : resource(user, resourceAttributes, problems);
    const { allowed, denied, reason } = this.authorization.decide(attributes);
    const status = {
      allowed,
      ...(denied && { denied }),
      ...(reason && { reason }),
      ...(problems.length > 0 && { evaluationError: problems.join(', ') }),
    };
    return { ...body, status };
  }
}

function specOf(body: Readonly<Record<string, unknown>>): SubjectAccessReviewSpec {
  const spec = body['spec'];
  return isObject(spec) ? spec : {};
}

function subjectOf({ user, uid, groups, extra }: SubjectAccessReviewSpec): UserInfo {
  return { name: user ?? '', groups: groups ?? [], ...(uid && { uid }), ...(extra && { extra }) };
}

function refuseUnless(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(unnamed, '', errors);
}

/** A review has no metadata but what the server adds to it. */
function validateMetadata(body: Readonly<Record<string, unknown>>, local = false): FieldError[] {
  const { metadata } = body;
  if (!isObject(metadata)) return [];
  const given = Object.keys(metadata).filter((key) => key !== 'managedFields' && !(local && key === 'namespace'));
  if (given.length === 0) return [];
  const why = local ? 'must be empty except for namespace' : 'must be empty';
  return [invalidField('metadata', metadata, why)];
}

function nonResource(user: UserInfo, { path = '', verb = '' }: NonResourceAttributes): AuthorizationAttributes {
  const nothing = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  return { user, verb, path, isResource: false, ...nothing };
}

function resource(user: UserInfo, given: ResourceAttributes, problems: string[]): AuthorizationAttributes {
  const { verb = '', group = '', version = '', resource = '', subresource = '', namespace = '', name = '' } = given;
  const fieldSelector = rawFieldSelector(given.fieldSelector, problems);
  const labelSelector = rawLabelSelector(given.labelSelector, problems);
  return {
    user,
    verb,
    path: '',
    isResource: true,
    ...{ group, version, resource, subresource, namespace, name },
    ...(fieldSelector && { fieldSelector }),
    ...(labelSelector && { labelSelector }),
  };
}

const selectorPath = 'spec.resourceAttributes';

function rawFieldSelector(selector: FieldSelectorAttributes | undefined, problems: string[]): string {
  const { rawSelector = '', requirements = [] } = selector ?? {};
  if (rawSelector !== '') return parsed(rawSelector, parseFieldQuery, 'fieldSelector', problems);
  const terms: string[] = [];
  for (const { key, operator, values = [] } of requirements) {
    const [value = ''] = values;
    // Field selectors can say no more than equal and not equal; other requirements narrow, so leaving them out is safe.
    if (values.length === 1 && operator === 'In') terms.push(`${key}=${escapeValue(value)}`);
    else if (values.length === 1 && operator === 'NotIn') terms.push(`${key}!=${escapeValue(value)}`);
    else problems.push(`fieldSelector: ${JSON.stringify(operator)} is not a valid field selector operator`);
  }
  return terms.join(',');
}

function rawLabelSelector(selector: LabelSelectorAttributes | undefined, problems: string[]): string {
  const { rawSelector = '', requirements = [] } = selector ?? {};
  if (rawSelector !== '') return parsed(rawSelector, parseLabelQuery, 'labelSelector', problems);
  const terms: string[] = [];
  for (const { key, operator, values = [] } of requirements) {
    if (operator === 'In') terms.push(`${key} in (${values.join(',')})`);
    else if (operator === 'NotIn') terms.push(`${key} notin (${values.join(',')})`);
    else if (operator === 'Exists') terms.push(key);
    else if (operator === 'DoesNotExist') terms.push(`!${key}`);
    else problems.push(`labelSelector: ${JSON.stringify(operator)} is not a valid label selector operator`);
  }
  return terms.join(',');
}

function parsed(text: string, parse: (text: string) => unknown, member: string, problems: string[]): string {
  try {
    parse(text);
    return text;
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    problems.push(`${selectorPath}.${member} ignored due to parse error`);
    return '';
  }
}

function escapeValue(value: string): string {
  return value.replaceAll(/[\\,=]/g, '\\$&');
}

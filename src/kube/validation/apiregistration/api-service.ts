import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { isDns1035Label, isPortNumber } from '../../names.ts';
import type { APIService, APIServiceSpec } from '../../types.gen.ts';
import { dnsSubdomain, type Errors, each, requiredString } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

const groupPriorityMax = 20000;
const versionPriorityMax = 1000;

export function validateApiService(service: APIService): readonly FieldError[] {
  return [...nameErrors(service), ...specErrors(service.spec ?? {})];
}

export function validateApiServiceUpdate(service: APIService, old: APIService): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(service.metadata, old.metadata), ...validateApiService(service)];
}

export function validateApiServiceStatusUpdate(service: APIService, old: APIService): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(service.metadata, old.metadata), ...statusErrors(service)];
}

/** The name says which version of which group is served. */
function* nameErrors({ metadata, spec }: APIService): Errors {
  const { name = '' } = metadata;
  const wanted = `${spec?.version ?? ''}.${spec?.group ?? ''}`;
  if (name !== '' && !/[/%]/.test(name) && name !== wanted) {
    yield invalid('metadata.name', name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`);
  }
}

function* specErrors(spec: Partial<APIServiceSpec>): Errors {
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0 } = spec;
  if (group !== '') yield* dnsSubdomain(group, 'spec.group');
  else if (version !== 'v1')
    yield required('spec.group', 'only v1 may have an empty group and it better be legacy kube');
  yield* each(isDns1035Label(version), 'spec.version', version);
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > groupPriorityMax) {
    const detail = `must be positive and less than ${groupPriorityMax}`;
    yield invalid('spec.groupPriorityMinimum', groupPriorityMinimum, detail);
  }
  if (versionPriority <= 0 || versionPriority > versionPriorityMax) {
    yield invalid('spec.versionPriority', versionPriority, `must be positive and less than ${versionPriorityMax}`);
  }
  yield* serverErrors(spec);
}

function* serverErrors({
  service,
  caBundle = '',
  insecureSkipTLSVerify: insecure = false,
}: Partial<APIServiceSpec>): Errors {
  if (service === undefined) {
    const bytes = Buffer.from(caBundle, 'base64').length;
    if (bytes > 0) yield invalid('spec.caBundle', `${bytes} bytes`, 'local APIServices may not have a caBundle');
    if (insecure) {
      const detail = 'local APIServices may not have insecureSkipTLSVerify';
      yield invalid('spec.insecureSkipTLSVerify', insecure, detail);
    }
    return;
  }
  yield* requiredString(service.namespace, 'spec.service.namespace');
  yield* requiredString(service.name, 'spec.service.name');
  const port = service.port ?? 0;
  const problems = isPortNumber(port);
  if (problems.length > 0) yield invalid('spec.service.port', port, `port is not valid: ${problems.join(', ')}`);
  if (insecure && caBundle !== '') {
    yield invalid('spec.insecureSkipTLSVerify', insecure, 'may not be true if caBundle is present');
  }
}

const statuses = ['True', 'False', 'Unknown'];

function* statusErrors({ status }: APIService): Errors {
  for (const [index, { status: value = '' }] of (status?.conditions ?? []).entries()) {
    if (!statuses.includes(value)) yield notSupported(`status.conditions[${index}].status`, value, statuses);
  }
}

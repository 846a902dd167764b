import { type FieldError, invalid, required } from '../../field-error.ts';
import { isDns1035Label, isDns1123Subdomain, isPortNumber } from '../../names.ts';
import type { APIService } from '../../types.gen.ts';

type Errors = Generator<FieldError, void>;

const groupPriorityMax = 20000;
const versionPriorityMax = 1000;

/** An APIService, new or changed: it is named by what it serves. */
export function validateApiService(service: APIService): readonly FieldError[] {
  return [...serviceErrors(service)];
}

function* serviceErrors({ metadata, spec }: APIService): Errors {
  const { group = '', version = '', groupPriorityMinimum, versionPriority, service } = spec ?? {};
  const name = `${version}.${group}`;
  if (metadata.name !== undefined && metadata.name !== name) {
    const why = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`;
    yield invalid('metadata.name', metadata.name, why);
  }
  if (group === '' && version !== 'v1') {
    yield required('spec.group', 'only v1 may have an empty group and it better be legacy kube');
  }
  if (group !== '') for (const why of isDns1123Subdomain(group)) yield invalid('spec.group', group, why);
  for (const why of isDns1035Label(version)) yield invalid('spec.version', version, why);
  yield* priorityErrors(groupPriorityMinimum ?? 0, groupPriorityMax, 'spec.groupPriorityMinimum');
  yield* priorityErrors(versionPriority ?? 0, versionPriorityMax, 'spec.versionPriority');
  const { caBundle = '', insecureSkipTLSVerify = false } = spec ?? {};
  const bytes = Buffer.from(caBundle, 'base64').length;
  if (service === undefined) {
    if (bytes > 0) yield invalid('spec.caBundle', `${bytes} bytes`, 'local APIServices may not have a caBundle');
    if (insecureSkipTLSVerify) {
      yield invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify');
    }
    return;
  }
  if (!service.namespace) yield required('spec.service.namespace');
  if (!service.name) yield required('spec.service.name');
  for (const why of isPortNumber(service.port ?? 0)) yield invalid('spec.service.port', service.port ?? 0, why);
  if (insecureSkipTLSVerify && bytes > 0) {
    yield invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present');
  }
}

function* priorityErrors(value: number, max: number, field: string): Errors {
  if (value <= 0 || value > max) yield invalid(field, value, `must be positive and less than ${max}`);
}

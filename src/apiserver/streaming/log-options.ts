import { type FieldError, forbidden, invalid as invalidValue, notSupported } from '../../kube/field-error.ts';
import { badRequest, invalid } from '../errors.ts';
import { integer } from '../options.ts';
import type { Query } from '../query.ts';
import { isTrue } from '../request-info.ts';

/** Reads PodLogOptions, and writes them as the node takes them. Throws BadRequest and Invalid in upstream's words. */
export function logParameters(query: Query, podName: string): URLSearchParams {
  const tailLines = integer(query.get('tailLines'));
  const sinceSeconds = integer(query.get('sinceSeconds'));
  const limitBytes = integer(query.get('limitBytes'));
  const sinceTime = query.get('sinceTime');
  const stream = query.get('stream');
  if (sinceTime !== undefined && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(sinceTime)) {
    const value = JSON.stringify(sinceTime);
    throw badRequest(`parsing time ${value} as "2006-01-02T15:04:05Z07:00": cannot parse ${value} as "2006"`);
  }
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0)
    errors.push(invalidValue('tailLines', tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1)
    errors.push(invalidValue('limitBytes', limitBytes, 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime !== undefined)
    errors.push(forbidden('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    errors.push(invalidValue('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  if (stream !== undefined) {
    if (!['All', 'Stdout', 'Stderr'].includes(stream))
      errors.push(notSupported('stream', stream, ['All', 'Stderr', 'Stdout']));
    else if (stream !== 'All' && tailLines !== undefined)
      errors.push(forbidden('[]', '`tailLines` and specific `stream` are mutually exclusive for now'));
  }
  if (errors.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, podName, errors);

  const parameters = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps']) if (isTrue(query.get(name))) parameters.set(name, 'true');
  const numbers = { tailLines, sinceSeconds, limitBytes };
  for (const [name, value] of Object.entries(numbers)) if (value !== undefined) parameters.set(name, String(value));
  if (sinceTime !== undefined) parameters.set('sinceTime', sinceTime);
  if (stream !== undefined) parameters.set('stream', stream);
  return parameters;
}

import { invalid, required } from '../../field-error.ts';
import { isDns1123Subdomain, isPortNumber } from '../../names.ts';
import type { ServiceReference, WebhookClientConfig } from '../../types.gen.ts';
import { type Errors, requiredString } from '../common.ts';

const urlForm = 'desired format: https://host[/path]';

/** How the API server reaches a webhook: by a URL or by a Service. */
export function* validateClientConfig({ url, service }: WebhookClientConfig, field: string): Errors {
  if ((url === undefined) === (service === undefined)) {
    yield required(field, 'exactly one of url or service is required');
  } else if (url !== undefined) yield* urlErrors(url, `${field}.url`);
  else if (service !== undefined) yield* serviceErrors(service, `${field}.service`);
}

interface UrlParts {
  readonly scheme: string;
  readonly user: boolean;
  readonly host: string;
  readonly query: string;
  readonly fragment: string;
}

/** Splits a URL without judging it (RFC 3986, appendix B). */
function splitUrl(text: string): UrlParts {
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/s.exec(text);
  const [, scheme = '', authority = '', query = '', fragment = ''] = match ?? [];
  const at = authority.lastIndexOf('@');
  return { scheme: scheme.toLowerCase(), user: at >= 0, host: authority.slice(at + 1), query, fragment };
}

function* urlErrors(text: string, field: string): Errors {
  const problem = urlProblem(text);
  if (problem !== undefined) {
    yield required(field, `url must be a valid URL: ${problem}; ${urlForm}`);
    return;
  }
  const { scheme, user, host, query, fragment } = splitUrl(text);
  if (scheme !== 'https') yield invalid(field, scheme, `'https' is the only allowed URL scheme; ${urlForm}`);
  if (host === '') yield invalid(field, host, `host must be specified; ${urlForm}`);
  if (user) yield invalid(field, text, 'user information is not permitted in the URL');
  if (fragment !== '') yield invalid(field, fragment, 'fragments are not permitted in the URL');
  if (query !== '') yield invalid(field, query, 'query parameters are not permitted in the URL');
}

/** Why Go's net/url can't read it, as it says so. */
function urlProblem(text: string): string | undefined {
  const quoted = JSON.stringify(text);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) return `parse ${quoted}: net/url: invalid control character in URL`;
  if (text.startsWith(':')) return `parse ${quoted}: missing protocol scheme`;
  const malformed = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(text);
  if (malformed !== null) return `parse ${quoted}: invalid URL escape ${JSON.stringify(malformed[0])}`;
  return undefined;
}

function* serviceErrors({ name, namespace, path, port = 443 }: Partial<ServiceReference>, field: string): Errors {
  // Upstream takes the one for the other here.
  yield* requiredString(namespace, `${field}.name`);
  yield* requiredString(name, `${field}.namespace`);
  const problems = isPortNumber(port);
  if (problems.length > 0) yield invalid(`${field}.port`, port, `port is not valid: ${problems.join(', ')}`);
  if (path !== undefined) yield* pathErrors(path, `${field}.path`);
}

function* pathErrors(path: string, field: string): Errors {
  if (path === '' || path === '/') return;
  if (path === '//') {
    yield invalid(field, path, 'segment[0] may not be empty');
    return;
  }
  if (!path.startsWith('/')) yield invalid(field, path, "must start with a '/'");
  const parts = (path.endsWith('/') ? path.slice(1, -1) : path.slice(1)).split('/');
  for (const [index, part] of parts.entries()) {
    if (part === '') {
      yield invalid(field, path, `segment[${index}] may not be empty`);
      continue;
    }
    for (const problem of isDns1123Subdomain(part)) yield invalid(field, path, `segment[${index}]: ${problem}`);
  }
}

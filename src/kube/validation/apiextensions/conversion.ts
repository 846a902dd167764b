import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { isDns1035Label } from '../../names.ts';
import type { CustomResourceConversion, WebhookConversion } from '../../types.gen.ts';

type Errors = Generator<FieldError, void>;

const strategies = ['None', 'Webhook'];
const reviewVersions = ['v1', 'v1beta1'];
const notForNone = 'should not be set when strategy is not set to Webhook';

export function* conversionErrors({ strategy, webhook }: CustomResourceConversion, path: string): Errors {
  if (strategy === '') yield required(`${path}.strategy`);
  else if (!strategies.includes(strategy)) yield notSupported(`${path}.strategy`, strategy, strategies);
  const { clientConfig, conversionReviewVersions: versions = [] } = webhook ?? {};
  const configField = `${path}.webhookClientConfig`;
  const versionsField = `${path}.conversionReviewVersions`;
  if (strategy !== 'Webhook') {
    if (clientConfig !== undefined) yield forbidden(configField, notForNone);
    if (versions.length > 0) yield forbidden(versionsField, notForNone);
    return;
  }
  if (clientConfig === undefined) yield required(configField, 'required when strategy is set to Webhook');
  else yield* clientErrors(clientConfig, configField);
  yield* reviewVersionErrors(versions, versionsField);
}

function* clientErrors(config: NonNullable<WebhookConversion['clientConfig']>, path: string): Errors {
  const { url, service } = config;
  if ((url === undefined) === (service === undefined)) {
    yield required(path, 'exactly one of url or service is required');
    return;
  }
  if (url !== undefined) yield* webhookUrlErrors(url, `${path}.url`);
  if (service === undefined) return;
  const { name, namespace, port = 443, path: urlPath } = service;
  if (name === '') yield required(`${path}.service.name`, 'service name is required');
  if (namespace === '') yield required(`${path}.service.namespace`, 'service namespace is required');
  if (port < 1 || port > 65535) {
    const why = 'port is not valid: must be between 1 and 65535, inclusive';
    yield invalid(`${path}.service.port`, port, why);
  }
  if (urlPath !== undefined && urlPath !== '/' && !urlPath.startsWith('/')) {
    yield invalid(`${path}.service.path`, urlPath, "must start with a '/'");
  }
}

const form = '; desired format: https://host[/path]';

function* webhookUrlErrors(text: string, field: string): Errors {
  const parts = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?[^?#]*(\?[^#]*)?(#.*)?$/.exec(text);
  const [, scheme = '', authority = '', query = '', fragment = ''] = parts ?? [];
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  if (scheme !== 'https') yield invalid(field, scheme, `'https' is the only allowed URL scheme${form}`);
  if (host === '') yield invalid(field, host, `host must be specified${form}`);
  if (at >= 0) yield invalid(field, authority.slice(0, at), 'user information is not permitted in the URL');
  if (fragment.length > 1) yield invalid(field, fragment.slice(1), 'fragments are not permitted in the URL');
  if (query.length > 1) yield invalid(field, query.slice(1), 'query parameters are not permitted in the URL');
}

function* reviewVersionErrors(versions: readonly string[], path: string): Errors {
  if (versions.length === 0) {
    yield required(path);
    return;
  }
  const seen = new Set<string>();
  for (const [i, version] of versions.entries()) {
    if (seen.has(version)) yield invalid(`${path}[${i}]`, version, 'duplicate version');
    for (const why of isDns1035Label(version)) yield invalid(`${path}[${i}]`, version, why);
    seen.add(version);
  }
  if (!versions.some((version) => reviewVersions.includes(version))) {
    yield invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`);
  }
}

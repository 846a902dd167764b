import { invalid, required, tooLong } from '../field-error.ts';
import { goQuote } from '../go-json.ts';
import { isDns1123Label, isDns1123Subdomain, nameIsDnsSubdomain } from '../names.ts';
import type { Errors } from './common.ts';

const domainBytesMax = 253;
// The path must hold a label and a subdomain, as namespaced signers have them.
const signerBytesMax = domainBytesMax + 1 + 253 + 1 + 63;

/** The name of a certificate signer: a domain and a path of DNS subdomains, `example.com/name`. */
export function* validateSignerName(name: string, field: string): Errors {
  if (name === '') {
    yield required(field);
    return;
  }
  const segments = name.split('/');
  const [domain = '', path = ''] = segments;
  if (segments.length !== 2) {
    yield invalid(field, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  if (Buffer.byteLength(domain) > domainBytesMax) yield tooLong(field, domainBytesMax);
  yield* firstWrongLabel(domain, isDns1123Label, field);
  if (!domain.includes('.')) {
    yield invalid(field, domain, 'should be a domain with at least two segments separated by dots');
  }
  yield* firstWrongLabel(path, isDns1123Subdomain, field);
  if (Buffer.byteLength(name) > signerBytesMax) yield tooLong(field, signerBytesMax);
}

function* firstWrongLabel(segment: string, check: (label: string) => readonly string[], field: string): Errors {
  for (const label of segment.split('.')) {
    const messages = check(label);
    if (messages.length === 0) continue;
    for (const message of messages) yield invalid(field, segment, `validating label ${goQuote(label)}: ${message}`);
    return;
  }
}

/** The name of a ClusterTrustBundle, as others refer to it: after the signer's name with colons, or without a signer. */
export function validateTrustBundleName(name: string): readonly string[] {
  return nameIsDnsSubdomain(name.slice(name.lastIndexOf(':') + 1), false);
}

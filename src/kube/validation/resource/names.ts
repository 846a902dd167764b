import { invalid, required, tooLong } from '../../field-error.ts';
import { isCIdentifier } from '../../names.ts';
import { dnsSubdomain, type Errors, each } from '../common.ts';
import { validateCsiDriverName } from '../core/volume-sources.ts';

const idBytesMax = 32;
const poolBytesMax = 253;

/** Drivers of devices are named as those of volumes are. */
export const validateDriverName = validateCsiDriverName;

/** Subdomains joined by slashes. */
export function* validatePoolName(name: string | undefined, field: string): Errors {
  if (name === undefined || name === '') {
    yield required(field);
    return;
  }
  if (Buffer.byteLength(name) > poolBytesMax) yield tooLong(field, poolBytesMax);
  for (const part of name.split('/')) yield* dnsSubdomain(part, field);
}

/** The name of an attribute or a capacity: an identifier, with the domain of another driver or without. */
export function* validateDeviceQualifiedName(name: string, field: string): Errors {
  const [domain = '', id, ...rest] = name.split('/');
  if (id === undefined) yield* identifierErrors(domain, field);
  else if (rest.length > 0) yield invalid(field, name, 'must not contain more than one slash');
  else {
    if (domain === '') yield invalid(field, '', 'the domain must not be empty');
    else yield* validateDriverName(domain, field);
    if (id === '') yield invalid(field, '', 'the name must not be empty');
    else yield* identifierErrors(id, field);
  }
}

/** The same where the domain can't be left out. */
export function* validateFullyQualifiedName(name: string, field: string): Errors {
  yield* validateDeviceQualifiedName(name, field);
  if (!name.includes('/')) {
    yield invalid(field, name, 'a fully qualified name must be a domain and a name separated by a slash');
  }
}

function* identifierErrors(id: string, field: string): Errors {
  if (Buffer.byteLength(id) > idBytesMax) yield tooLong(field, idBytesMax);
  yield* each(isCIdentifier(id), field, id);
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function* validateUid(uid: string, field: string): Errors {
  if (uuidPattern.test(uid)) return;
  if (!/^(urn:uuid:)?\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$/i.test(uid)) {
    const problem = [32, 36, 38, 45].includes(uid.length)
      ? 'invalid UUID format'
      : `invalid UUID length: ${uid.length}`;
    yield invalid(field, uid, `error validating uid: ${problem}`);
    return;
  }
  const detail =
    'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters';
  yield invalid(field, uid, detail);
}

import { isObject } from '../../core/json.ts';
import { badRequest } from '../errors.ts';

/** Where the next page of a list begins. */
export interface ContinueToken {
  /** The revision that all pages show; -1: the newest (after the first one was compacted away). */
  readonly revision: number;
  /** The first key of the page relative to the list's own prefix, not less than. */
  readonly start: string;
}

const version = 'meta.k8s.io/v1';

/** Upstream's format: base64url of `{"v","rv","start"}`, so that clients which look inside keep working. */
export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: version, rv: token.revision, start: token.start })).toString('base64url');
}

/** Throws BadRequest in upstream's words for anything that encodeContinue did not make. */
export function decodeContinue(text: string): ContinueToken {
  const bad = (why: string) => badRequest(`invalid continue token: continue key is not valid: ${why}`);
  const illegal = /[^A-Za-z0-9_-]/.exec(text);
  if (illegal) throw bad(`illegal base64 data at input byte ${illegal.index}`);
  if (text.length % 4 === 1) throw bad(`illegal base64 data at input byte ${text.length - 1}`);
  const json = Buffer.from(text, 'base64url').toString('latin1');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(json, 'latin1').toString('utf8'));
  } catch {
    throw bad(`invalid character ${goCharacter(json)} looking for beginning of value`);
  }
  if (!isObject(value)) throw bad('json: cannot unmarshal value into Go value of type storage.continueToken');
  if (value['v'] !== version) throw bad(`server does not recognize this encoded version ${String(value['v'] ?? '')}`);
  const revision = typeof value['rv'] === 'number' ? value['rv'] : 0;
  if (revision === 0) throw bad(`incorrect encoded start resourceVersion (version ${version})`);
  const start = typeof value['start'] === 'string' ? value['start'] : '';
  if (start === '') throw bad(`encoded start key empty (version ${version})`);
  // A key that climbs out of the list's prefix is an attempt to read what the list may not show.
  if (`/${start}`.split('/').some((segment) => segment === '..' || segment === '.')) throw bad(start);
  return { revision, start };
}

function goCharacter(text: string): string {
  const code = text.charCodeAt(0);
  if (Number.isNaN(code)) return "'\\x00'";
  return code < 0x20 || code >= 0x7f ? `'\\u${code.toString(16).padStart(4, '0')}'` : `'${text[0]}'`;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isConfigMapKey,
  isDns1035Label,
  isDns1123Label,
  isDns1123Subdomain,
  isDomainPrefixedPath,
  isLabelValue,
  isPortName,
  isQualifiedName,
  isRelaxedEnvVarName,
  nameIsDnsSubdomain,
  nameIsPathSegment,
} from './names.ts';

test('good names are accepted', () => {
  for (const name of ['a', 'a-b', '1', 'x'.repeat(63)]) assert.deepEqual(isDns1123Label(name), []);
  for (const name of ['a.b', 'a-1.b-2', `${'x'.repeat(63)}.y`]) assert.deepEqual(isDns1123Subdomain(name), []);
  for (const key of ['a', 'A_b.c', 'example.com/X']) assert.deepEqual(isQualifiedName(key), []);
  for (const value of ['', 'a', 'A_b.c']) assert.deepEqual(isLabelValue(value), []);
  for (const key of ['a', '.a', 'A_b-c.d']) assert.deepEqual(isConfigMapKey(key), []);
  for (const name of ['a', 'http2', 'a-b']) assert.deepEqual(isPortName(name), []);
});

test('bad names are refused in the words of Kubernetes', () => {
  const label =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  assert.deepEqual(isDns1123Label('A'), [label]);
  assert.deepEqual(isDns1123Label(''), [label]);
  assert.deepEqual(isDns1123Label('a.b'), ['must not contain dots']);
  assert.deepEqual(isDns1123Label('x'.repeat(64)), ['must be no more than 63 characters']);
  assert.deepEqual(isDns1035Label('1a'), [
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ]);
  assert.deepEqual(isQualifiedName('/a'), ['prefix part must be non-empty']);
  assert.equal(isQualifiedName('a/').length, 2);
  assert.deepEqual(isQualifiedName('x'.repeat(64)), ['name part must be no more than 63 bytes']);
  assert.match(
    isQualifiedName('a/b/c')[0] ?? '',
    /^a valid label key must consist .* \(e\.g\. 'example\.com\/MyName'\)$/,
  );
  assert.deepEqual(isConfigMapKey('..a'), ["must not start with '..'"]);
  assert.deepEqual(isDomainPrefixedPath('a'), ['must be a domain-prefixed path (such as "acme.io/foo")']);
  assert.equal(isRelaxedEnvVarName('a=b').length, 1);
});

test('a line break at the end does not slip through', () => {
  assert.notDeepEqual(isDns1123Label('a\n'), []);
  assert.notDeepEqual(isLabelValue('a\n'), []);
});

test('a generated name may end with a dash, a whole name may not', () => {
  assert.deepEqual(nameIsDnsSubdomain('a-', true), []);
  assert.equal(nameIsDnsSubdomain('a-', false).length, 1);
  assert.deepEqual(nameIsPathSegment('system:a', false), []);
  assert.deepEqual(nameIsPathSegment('a/b%', false), ["may not contain '/'", "may not contain '%'"]);
});

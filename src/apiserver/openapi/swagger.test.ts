import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { builtinResources } from '../../kube/resources.gen.ts';
import { builtinDocument, pathDocument } from './documents.ts';
import { encodeSwagger } from './gnostic.ts';
import { swaggerOf } from './swagger.ts';

const facts = new URL('../../../../shared/kubernetes-1.36/facts/openapi-v2.json.gz', import.meta.url);
const without = !existsSync(facts) && 'the recorded facts are not here';

const versions = [...new Set(builtinResources.map(({ group, version }) => `${group}/${version}`))];
const documents = versions.map((groupVersion) => {
  const [group = '', version = ''] = groupVersion.split('/');
  const resources = builtinResources.filter((one) => one.group === group && one.version === version);
  return builtinDocument(group, version, resources);
});
const groups = [...new Set(builtinResources.map(({ group }) => group))].filter((group) => group !== '');
const paths = ['api', 'apis', 'version', ...groups.map((group) => `apis/${group}`)];
const swagger = swaggerOf([...paths.map(pathDocument), ...documents], { title: 'Kubernetes', version: '1.36' });

type Members = Record<string, unknown>;
const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// Shared parameters are put in place, lists that have no order are sorted, and remarks are left out.
function normal(value: unknown, parameters: Members): unknown {
  if (Array.isArray(value)) return value.map((item) => normal(item, parameters));
  if (!isMembers(value)) return value;
  const target = value['$ref'];
  if (typeof target === 'string' && target.startsWith('#/parameters/')) {
    return normal(parameters[target.slice('#/parameters/'.length)], parameters);
  }
  const unordered = ['required', 'consumes', 'produces', 'parameters'];
  const text = (item: unknown) => JSON.stringify(item);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, member]) => !(key === 'x-kubernetes-list-type' && member === 'atomic'))
      .filter(([key, member]) => !(key === 'x-kubernetes-map-type' && member === 'granular'))
      .filter(([key]) => key !== 'x-kubernetes-unions')
      .map(([key, member]) => [key, normal(member, parameters)] as const)
      .map(([key, member]) => {
        const isList = unordered.includes(key) || key === 'x-kubernetes-group-version-kind';
        return [key, isList && Array.isArray(member) ? [...new Set(member.map(text))].sort() : member] as const;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

test('the old document says what that of a Kubernetes 1.36 says', { skip: without }, () => {
  const recorded = JSON.parse(gunzipSync(readFileSync(facts)).toString('utf8'));
  const plain = JSON.parse(JSON.stringify(swagger));
  const served = Object.keys(recorded.paths).filter((path) => !/openid|^\/logs/.test(path));
  assert.deepEqual(Object.keys(plain.paths).sort(), served.sort());
  for (const path of served) {
    assert.deepEqual(normal(plain.paths[path], {}), normal(recorded.paths[path], recorded.parameters), path);
  }
  assert.deepEqual(Object.keys(plain.definitions), Object.keys(recorded.definitions).sort());
  for (const name of Object.keys(recorded.definitions)) {
    // These name all groups that a server was ever compiled with.
    if (/\.(DeleteOptions|WatchEvent)$/.test(name)) continue;
    assert.deepEqual(normal(plain.definitions[name], {}), normal(recorded.definitions[name], {}), name);
  }
});

/** The fields of a protobuf message: number and bytes (or number) of each, in order. */
function* fieldsOf(bytes: Buffer): Generator<{ readonly field: number; readonly value: Buffer | number }, void> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wireType = tag % 8;
    const size = wireType === 1 ? 8 : wireType === 2 ? varint() : 0;
    const value = bytes.subarray(at, at + size);
    at += size;
    assert.ok(wireType <= 2, 'a wire type that the document does not have');
    yield { field: tag >> 3, value: wireType === 0 ? varint() : wireType === 1 ? value.readDoubleLE() : value };
  }
  assert.equal(at, bytes.length);
}

function only(bytes: Buffer, field: number): readonly Buffer[] {
  return [...fieldsOf(bytes)].flatMap((one) =>
    one.field === field && typeof one.value !== 'number' ? [one.value] : [],
  );
}

test('the protobuf form holds the paths and the definitions by name', () => {
  const document = Buffer.from(encodeSwagger(swagger));
  assert.deepEqual(only(document, 1).map(String), ['2.0']);
  const named = (messages: readonly Buffer[]) => messages.map((one) => String(only(one, 1)[0]));
  assert.deepEqual(named(only(document, 8).flatMap((one) => only(one, 2))), Object.keys(swagger.paths));
  const definitions = only(document, 9).flatMap((one) => only(one, 1));
  assert.deepEqual(named(definitions), Object.keys(swagger.definitions));
  const port = definitions.find((one) => String(only(one, 1)[0]) === 'io.k8s.api.core.v1.ContainerPort');
  const [schema] = port === undefined ? [] : only(port, 2);
  assert.ok(schema);
  assert.deepEqual(only(schema, 19).map(String), ['containerPort']);
  const properties = only(schema, 25).flatMap((one) => only(one, 1));
  assert.deepEqual(named(properties), ['containerPort', 'hostIP', 'hostPort', 'name', 'protocol']);
});

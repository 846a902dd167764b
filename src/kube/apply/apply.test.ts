import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../patch/json-object.ts';
import { schemaOf } from '../schema/builtin.ts';
import type { Field, ObjectSchema, Schema } from '../schema/schema.ts';
import { type ApplyManagement, applyConfiguration } from './apply.ts';
import { ApplyConflict, ApplyError } from './apply-error.ts';
import { managerName } from './manager-name.ts';
import { ignoreTimeChanges, managedFieldsOf } from './object-fields.ts';
import { updateManagedFields } from './update.ts';

const noon = '2026-01-01T12:00:00Z';
const later = '2026-01-01T12:00:05Z';

function context(manager: string, change: Partial<ApplyManagement> = {}): ApplyManagement {
  return {
    schema: schemaOf('io.k8s.api.core.v1.ConfigMap'),
    kind: 'ConfigMap',
    apiVersion: 'v1',
    manager,
    now: noon,
    force: false,
    ...change,
  };
}
const configMap = (data: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'c', ...metadata },
  data,
});
const stored = (object: JsonObject): JsonObject => ({
  ...object,
  metadata: { ...(object.metadata as JsonObject), uid: 'u' },
});
const fieldsOf = (object: JsonObject) =>
  Object.fromEntries((managedFieldsOf(object) ?? []).map((e) => [`${e.manager} ${e.operation}`, e.fieldsV1]));

test('who creates an object owns what it said', () => {
  const created = updateManagedFields(null, configMap({ a: '1' }), context('m'));
  assert.deepEqual(managedFieldsOf(created), [
    {
      manager: 'm',
      operation: 'Update',
      apiVersion: 'v1',
      time: noon,
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { '.': {}, 'f:a': {} } },
    },
  ]);
});

test('an update takes what it changes from the others, and only then gets a new time', () => {
  const live = stored(updateManagedFields(null, configMap({ a: '1', b: '1' }), context('m1')));
  const next = { ...live, data: { a: '2', b: '1' } };
  const updated = updateManagedFields(live, next, context('m2', { now: later }));
  assert.deepEqual(fieldsOf(updated), {
    'm1 Update': { 'f:data': { '.': {}, 'f:b': {} } },
    'm2 Update': { 'f:data': { 'f:a': {} } },
  });
  const again = updateManagedFields(updated, { ...updated }, context('m1', { now: '2027-01-01T00:00:00Z' }));
  assert.deepEqual(managedFieldsOf(again), managedFieldsOf(updated));
});

test('an empty list or one empty entry resets ownership, and then nobody follows it any more', () => {
  const live = stored(updateManagedFields(null, configMap({ a: '1' }), context('m1')));
  for (const managedFields of [[], [{}]] as Json[]) {
    const next = { ...live, metadata: { ...(live.metadata as JsonObject), managedFields } };
    const reset = updateManagedFields(live, next, context('m1'));
    assert.equal(managedFieldsOf(reset), undefined);
    const changed = updateManagedFields(reset, { ...reset, data: { z: '1' } }, context('m2'));
    assert.equal(managedFieldsOf(changed), undefined);
  }
});

test('malformed managedFields of a client are ignored', () => {
  const live = stored(updateManagedFields(null, configMap({ a: '1' }), context('m1')));
  const bogus = [{ manager: 'x', operation: 'Bogus', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} }];
  const next = { ...live, metadata: { ...(live.metadata as JsonObject), managedFields: bogus } };
  assert.deepEqual(managedFieldsOf(updateManagedFields(live, next, context('m1'))), managedFieldsOf(live));
});

test('more than ten update managers are merged into ancient-changes', () => {
  let object = stored(updateManagedFields(null, configMap({ k0: '1' }), context('m0')));
  for (let i = 1; i < 14; i++) {
    const now = `2026-01-01T12:00:${String(i).padStart(2, '0')}Z`;
    const data = { ...(object.data as JsonObject), [`k${i}`]: '1' };
    object = updateManagedFields(object, { ...object, data }, context(`m${i}`, { now }));
  }
  const entries = managedFieldsOf(object) ?? [];
  assert.equal(entries.length, 10);
  assert.deepEqual(entries[0]?.manager, 'ancient-changes');
  assert.deepEqual(entries[0]?.fieldsV1, {
    'f:data': { '.': {}, 'f:k0': {}, 'f:k1': {}, 'f:k2': {}, 'f:k3': {}, 'f:k4': {} },
  });
});

test('what an applier leaves out is removed unless somebody else applies it', () => {
  const first = stored(applyConfiguration(null, configMap({ a: '1', b: '1', c: '1' }), context('m1')));
  const shared = applyConfiguration(first, configMap({ b: '1' }), context('m2'));
  const result = applyConfiguration(shared, configMap({ a: '1' }), context('m1', { now: later }));
  assert.deepEqual(result.data, { a: '1', b: '1' });
  assert.deepEqual(fieldsOf(result), {
    'm1 Apply': { 'f:data': { 'f:a': {} } },
    'm2 Apply': { 'f:data': { 'f:b': {} } },
  });
});

test('applying the same again changes nothing', () => {
  const first = stored(applyConfiguration(null, configMap({ a: '1' }), context('m1')));
  assert.equal(applyConfiguration(first, configMap({ a: '1' }), context('m1', { now: later })), first);
});

test('a field of another manager is a conflict until it is forced', () => {
  const first = stored(applyConfiguration(null, configMap({ a: '1', b: '1' }), context('m1')));
  const live = updateManagedFields(first, { ...first, data: { a: '1', b: '2' } }, context('kubectl', { now: later }));
  assert.throws(
    () => applyConfiguration(live, configMap({ a: '2', b: '3' }), context('m2')),
    (error) => {
      assert.ok(error instanceof ApplyConflict);
      assert.equal(
        error.message,
        'Apply failed with 2 conflicts: conflicts with "kubectl" using v1:\n- .data.b\nconflicts with "m1":\n- .data.a',
      );
      assert.equal(error.httpCode, 409);
      assert.deepEqual(error.status.details?.causes?.[0], {
        reason: 'FieldManagerConflict',
        message: 'conflict with "kubectl" using v1',
        field: '.data.b',
      });
      return true;
    },
  );
  const forced = applyConfiguration(live, configMap({ a: '2', b: '3' }), context('m2', { force: true }));
  assert.deepEqual(fieldsOf(forced), { 'm2 Apply': { 'f:data': { 'f:a': {}, 'f:b': {} } } });
});

test('an object without managedFields belongs to before-first-apply when it is first applied to', () => {
  const live = stored(configMap({ a: '1', b: '1' }));
  const result = applyConfiguration(live, configMap({ a: '1', c: '1' }), context('m1'));
  assert.deepEqual(fieldsOf(result), {
    'before-first-apply Update': { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } },
    'm1 Apply': { 'f:data': { 'f:a': {}, 'f:c': {} } },
  });
});

test('kubectl takes over without conflict what its client-side apply owned', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const applied = configMap({ a: '1' });
  const metadata = { annotations: { [annotation]: JSON.stringify(applied) } };
  const live = stored(updateManagedFields(null, configMap({ a: '1' }, metadata), context('kubectl-client-side-apply')));
  assert.throws(() => applyConfiguration(live, configMap({ a: '2' }), context('other')), ApplyConflict);
  const result = applyConfiguration(live, configMap({ a: '2' }), context('kubectl', { now: later }));
  const annotations = (result.metadata as JsonObject).annotations as JsonObject;
  assert.equal(
    annotations[annotation],
    `${JSON.stringify({ apiVersion: 'v1', data: { a: '2' }, kind: 'ConfigMap', metadata: { name: 'c' } })}\n`,
  );
});

test('a configuration that is not of the type is refused in the words of upstream', () => {
  const refuse = (applied: JsonObject, kind: ApplyError['kind'], message: string) =>
    assert.throws(
      () => applyConfiguration(null, applied, context('m')),
      (error) => {
        assert.ok(error instanceof ApplyError);
        assert.deepEqual([error.kind, error.message], [kind, message]);
        return true;
      },
    );
  const typed = 'failed to create typed patch object (/c; /v1, Kind=ConfigMap): ';
  refuse(configMap({ a: 1 }), 'internal', `${typed}.data.a: expected string, got &value.valueUnstructured{Value:1}`);
  refuse({ ...configMap({}), x: 1 }, 'internal', `${typed}.x: field not declared in schema`);
  refuse(
    configMap({}, { finalizers: ['a', 'a'] }),
    'internal',
    `${typed}.metadata.finalizers: duplicate entries for key [="a"]`,
  );
  refuse({ ...configMap({}), apiVersion: 'v2' }, 'bad-request', 'invalid object type: /v2, Kind=ConfigMap');
  refuse(configMap({}, { managedFields: [] }), 'bad-request', 'metadata.managedFields must be nil');
});

test('fields that an endpoint resets are never owned through it', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: { phase: 'Running' },
  };
  const change = { schema: schemaOf('io.k8s.api.core.v1.Pod'), kind: 'Pod', resetFields: [['f:status']] };
  const result = applyConfiguration(null, pod, context('m', change));
  assert.deepEqual(fieldsOf(result)['m Apply'], {
    'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
  });
});

test('managers of another version keep what did not change in their version', () => {
  const schema = schemaOf('io.k8s.api.core.v1.ConfigMap');
  const rename = (object: JsonObject, from: string, to: string): JsonObject => {
    const { [from]: moved, ...rest } = object;
    return moved === undefined ? rest : { ...rest, [to]: moved };
  };
  const v0: ObjectSchema = { type: 'object', name: 'ConfigMap', atomic: false, fields: renamed(schema, 'data', 'old') };
  const inVersion = (object: JsonObject, version: string) => {
    if (version === 'v1') return { object: rename(object, 'old', 'data'), schema };
    return version === 'v0' ? { object: rename(object, 'data', 'old'), schema: v0 } : null;
  };
  const live = stored({
    ...configMap({ a: '1', b: '1' }),
    metadata: {
      name: 'c',
      managedFields: [entry('m0', 'v0', { 'f:old': { 'f:a': {}, 'f:b': {} } }), entry('gone', 'v9', { 'f:x': {} })],
    },
  });
  const next = { ...live, data: { a: '2', b: '1' } };
  const result = updateManagedFields(live, next, context('m1', { inVersion }));
  assert.deepEqual(fieldsOf(result), {
    'm0 Update': { 'f:old': { 'f:b': {} } },
    'm1 Update': { 'f:data': { 'f:a': {} } },
  });
});

function renamed(schema: ObjectSchema, from: string, to: string): ReadonlyMap<string, Field> {
  return new Map([...schema.fields].map(([name, field]) => [name === from ? to : name, field]));
}

function entry(manager: string, apiVersion: string, fieldsV1: JsonObject): JsonObject {
  return { manager, operation: 'Update', apiVersion, time: noon, fieldsType: 'FieldsV1', fieldsV1 };
}

test('a write that only moves times is none', () => {
  const live = stored(applyConfiguration(null, configMap({ a: '1' }), context('m1')));
  const metadata = live.metadata as JsonObject;
  const moved = (metadata.managedFields as JsonObject[]).map((e) => ({ ...e, time: later }));
  assert.equal(ignoreTimeChanges(live, { ...live, metadata: { ...metadata, managedFields: moved } }), live);
});

test('the manager is the fieldManager, or the program of the user agent', () => {
  assert.equal(managerName('m', 'kubectl/v1.36'), 'm');
  assert.equal(managerName(undefined, 'kubectl/v1.36 (linux)'), 'kubectl');
  assert.equal(managerName('', `\u0007${'x'.repeat(200)}`), 'x'.repeat(128));
});

// A custom resource's shape, with everything that merges in its own way.
const text: Schema = { type: 'scalar', scalar: 'string' };
const plain = (schema: Schema): Field => ({ schema, required: false, patchStrategy: [] });
const item: ObjectSchema = {
  type: 'object',
  atomic: false,
  fields: new Map([
    ['name', { ...plain(text), default: 'x' }],
    ['v', plain(text)],
  ]),
};
const shape: ObjectSchema = {
  type: 'object',
  atomic: false,
  fields: new Map([
    ['apiVersion', plain(text)],
    ['kind', plain(text)],
    ['metadata', plain(schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'))],
    ['list', plain({ type: 'list', items: item, listType: 'map', mapKeys: ['name'] })],
    ['set', plain({ type: 'list', items: text, listType: 'set', mapKeys: [] })],
    ['atom', plain({ type: 'list', items: text, listType: 'atomic', mapKeys: [] })],
    ['map', plain({ type: 'map', values: text, atomic: false })],
    ['any', plain({ type: 'any', atomic: false })],
  ]),
};
const letters = fc.constantFrom('a', 'b', 'c');
const unique = fc.uniqueArray(letters, { minLength: 1, maxLength: 3 });
const sometimes = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
// What is emptied vanishes, so applying an empty value takes two steps.
function holdsEmpty(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const members = Object.values(value);
  return members.length === 0 || members.some(holdsEmpty);
}

const configuration = fc
  .record({
    list: sometimes(
      fc.uniqueArray(fc.record({ name: letters, v: letters }), {
        minLength: 1,
        maxLength: 3,
        selector: (each) => each.name,
      }),
    ),
    set: sometimes(unique),
    atom: sometimes(fc.array(letters, { maxLength: 3 })),
    map: sometimes(fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), letters, { minKeys: 1 })),
    any: sometimes((fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>).filter((value) => !holdsEmpty(value))),
  })
  .map((fields): JsonObject => JSON.parse(JSON.stringify({ apiVersion: 'x/v1', kind: 'X', ...fields })) as JsonObject);
const custom = (manager: string, force = true) =>
  context(manager, { schema: shape, apiVersion: 'x/v1', kind: 'X', force });

test('laws of apply: twice is once, everything applied is there, nobody loses what only they applied', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('m1', 'm2', 'm3'), configuration), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(steps, (all) => {
      let live: JsonObject | null = null;
      for (const [manager, applied] of all) {
        const result = applyConfiguration(live, applied, custom(manager));
        live = isJsonObject(result.metadata) ? stored(result) : { ...result, metadata: { uid: 'u' } };
        // What nobody owns at all would first be given to before-first-apply.
        if (managedFieldsOf(live) !== undefined) assert.equal(applyConfiguration(live, applied, custom(manager)), live);
        assert.deepEqual(live.atom ?? [], applied.atom ?? live.atom ?? []);
        const names = new Set((live.set as string[] | undefined) ?? []);
        for (const each of (applied.set as string[] | undefined) ?? []) assert.ok(names.has(each));
        const map = new Map(Object.entries((live.map as JsonObject | undefined) ?? {}));
        for (const [key, value] of Object.entries((applied.map as JsonObject | undefined) ?? {})) {
          assert.equal(map.get(key), value);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('who is alone and then applies nothing leaves nothing behind', () => {
  fc.assert(
    fc.property(configuration, (applied) => {
      const live = applyConfiguration(null, applied, custom('m'));
      const bare = { apiVersion: 'x/v1', kind: 'X' };
      const result = applyConfiguration(live, bare, custom('m'));
      for (const key of ['list', 'set', 'atom', 'map'] as const) {
        const before = live[key];
        const hadItems = Array.isArray(before)
          ? before.length > 0
          : isJsonObject(before) && Object.keys(before).length > 0;
        if (hadItems || key === 'atom') assert.equal(result[key], undefined);
      }
    }),
  );
});

test('no object crashes an update or apply: errors are typed, prototypes stay clean', () => {
  const anything = fc.jsonValue() as fc.Arbitrary<Json>;
  const some = fc.dictionary(fc.constantFrom('metadata', 'list', 'set', 'map', 'any', '__proto__', 'q'), anything);
  fc.assert(
    fc.property(some, some, some, (a, b, c) => {
      const names = Object.getOwnPropertyNames(Object.prototype);
      const created = updateManagedFields(null, a, custom('m1'));
      updateManagedFields(created, b, custom('m2'));
      try {
        applyConfiguration(created, { ...c, apiVersion: 'x/v1', kind: 'X' }, custom('m3', false));
      } catch (error) {
        assert.ok(error instanceof ApplyError || error instanceof ApplyConflict, String(error));
      }
      assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), names);
    }),
    { numRuns: 500 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { schemaOf } from '../schema/builtin.ts';
import { isJsonObject, jsonEqual, member, setMember } from './json-object.ts';
import { applyJsonPatch, decodeJsonPatch, type JsonPatchOperation } from './json-patch.ts';
import { applyMergePatch, decodeMergePatch } from './merge-patch.ts';
import { PatchError } from './patch-error.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'name', 'metadata', 'spec', 'containers', '__proto__', 'constructor', '$patch', ''),
  fc.string({ maxLength: 4 }),
);
const { value, object } = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, true, 0, 1, -1, 1.5, '', 'a', 'delete', 'replace'),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map(objectOf),
}));

function objectOf(entries: readonly (readonly [string, Json])[]): JsonObject {
  const result: { [key: string]: Json } = {};
  for (const [name, item] of entries) setMember(result, name, item);
  return result;
}

// What turns `from` into `to` by RFC 7386; documents with nulls can't be reached by it.
function diff(from: JsonObject, to: JsonObject): JsonObject {
  const patch: { [key: string]: Json } = {};
  for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) setMember(patch, name, null);
  for (const name of Object.keys(to)) {
    const left = member(from, name);
    const right = to[name] as Json;
    if (left !== undefined && jsonEqual(left, right)) continue;
    setMember(patch, name, isJsonObject(left) && isJsonObject(right) ? diff(left, right) : right);
  }
  return patch;
}

const typedOnly = (run: () => void) => {
  const names = Object.getOwnPropertyNames(Object.prototype);
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof PatchError, String(error));
  }
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), names);
};

const noNulls = object.map((o) => applyMergePatch({}, o));

test('the merge patch between two documents leads from the one to the other, and a second time changes nothing', () => {
  fc.assert(
    fc.property(noNulls, noNulls, (from, to) => {
      const patch = diff(from, to);
      const result = applyMergePatch(from, patch);
      assert.ok(jsonEqual(result, to));
      assert.equal(applyMergePatch(result, patch), result);
    }),
  );
});

test('a JSON patch leaves the document that it was given as it was', () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'c', '0', '1', '-1', '-', '__proto__', 'x~1y'), { maxLength: 3 });
  const pointer = path.map((segments) => segments.map((segment) => `/${segment}`).join(''));
  const operation = fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'bogus'),
    path: pointer,
    from: pointer,
    value,
  });
  fc.assert(
    fc.property(object, fc.array(operation, { maxLength: 6 }), (document, operations) => {
      const before = JSON.stringify(document);
      typedOnly(() => applyJsonPatch(document, decodeJsonPatch(operations as unknown as Json)));
      assert.equal(JSON.stringify(document), before);
    }),
  );
});

test('adding a member by JSON patch and removing it leads back', () => {
  fc.assert(
    fc.property(object, fc.string(), value, (document, name, added) => {
      fc.pre(!Object.hasOwn(document, name));
      const path = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      const there: JsonPatchOperation[] = [{ op: 'add', path, value: added }];
      const patched = applyJsonPatch(document, there) as JsonObject;
      assert.ok(jsonEqual(member(patched, name) ?? null, added));
      assert.ok(jsonEqual(applyJsonPatch(patched, [{ op: 'remove', path }]), document));
    }),
  );
});

test('no input crashes a patch: it applies or fails with a PatchError', () => {
  const pod = schemaOf('io.k8s.api.core.v1.Pod');
  fc.assert(
    fc.property(object, value, (document, patch) => {
      const before = JSON.stringify([document, patch]);
      typedOnly(() => applyMergePatch(document, decodeMergePatch(patch)));
      typedOnly(() => applyStrategicMergePatch(document, decodeMergePatch(patch), pod));
      typedOnly(() => applyJsonPatch(document, decodeJsonPatch(patch)));
      assert.equal(JSON.stringify([document, patch]), before);
    }),
    { numRuns: 500 },
  );
});

test('a strategic merge patch of pods keeps the containers that it does not name', () => {
  const pod = schemaOf('io.k8s.api.core.v1.Pod');
  const names = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
  fc.assert(
    fc.property(names, names, (standing, patched) => {
      const live = { spec: { containers: standing.map((name) => ({ name, image: 'old' })) } };
      const patch = { spec: { containers: patched.map((name) => ({ name, image: 'new' })) } };
      const result = applyStrategicMergePatch(live, patch, pod);
      const { containers } = result.spec as unknown as { containers: { name: string; image: string }[] };
      assert.deepEqual(containers.map((c) => c.name).sort(), [...new Set([...standing, ...patched])].sort());
      for (const c of containers) assert.equal(c.image, patched.includes(c.name) ? 'new' : 'old');
    }),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../core/json.ts';
import { schemaOf } from '../schema/builtin.ts';
import { applyJsonPatch, decodeJsonPatch, maxJsonPatchOperations } from './json-patch.ts';
import { applyMergePatch, decodeMergePatch } from './merge-patch.ts';
import { PatchError, type PatchErrorKind } from './patch-error.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const fails = (kind: PatchErrorKind, message: string | RegExp, run: () => unknown) =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof PatchError);
    assert.equal(error.kind, kind);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });

const json = (document: JsonObject, patch: Json) => applyJsonPatch(document, decodeJsonPatch(patch));

test('JSON patch operations are carried out in order', () => {
  const document = { a: { x: 1 }, list: [1, 2] };
  const patch = [
    { op: 'test', path: '/a/x', value: 1 },
    { op: 'add', path: '/list/-', value: 3 },
    { op: 'add', path: '/list/0', value: 0 },
    { op: 'remove', path: '/list/-1' },
    { op: 'copy', from: '/a', path: '/b' },
    { op: 'add', path: '/b/y', value: 2 },
    { op: 'move', from: '/a/x', path: '/a~1x' },
    { op: 'replace', path: '/new', value: 'kept' },
  ];
  assert.deepEqual(json(document, patch), {
    a: {},
    list: [0, 1, 2],
    b: { x: 1, y: 2 },
    'a/x': 1,
    new: 'kept',
  });
  assert.deepEqual(document, { a: { x: 1 }, list: [1, 2] });
});

test('JSON patch says why it can not be carried out', () => {
  fails('unprocessable', /testing value/, () => json({ a: 1 }, [{ op: 'test', path: '/a', value: 2 }]));
  fails('unprocessable', /nonexistent key: b/, () => json({ a: 1 }, [{ op: 'remove', path: '/b' }]));
  fails('unprocessable', /missing path/, () => json({ a: 1 }, [{ op: 'add', path: '/b/c', value: 1 }]));
  fails('unprocessable', /Unexpected kind/, () => json({}, [{ op: 'bogus', path: '/a' }]));
  fails('unprocessable', /invalid index/, () => json({ a: [1] }, [{ op: 'replace', path: '/a/1', value: 1 }]));
  fails(
    'bad-request',
    'error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp',
    () => json({}, [5]),
  );
  fails('too-large', /maximum operations in a JSON patch is 10000, got 10001/, () =>
    json({}, new Array(maxJsonPatchOperations + 1).fill({ op: 'test', path: '/a' })),
  );
});

test('copies that grow without bound are refused', () => {
  const double = { op: 'copy', from: '/a', path: '/a/-' };
  fails('unprocessable', /accumulated size/, () => json({ a: ['x'.repeat(1000)] }, new Array(40).fill(double)));
});

test('a merge patch removes by null, also inside what is new', () => {
  const document = { a: { b: 1, c: 2 }, list: [1] };
  const result = applyMergePatch(document, { a: { b: null }, n: { x: null, y: 1 }, list: [{ z: null }] });
  assert.deepEqual(result, { a: { c: 2 }, n: { y: 1 }, list: [{}] });
  fails(
    'bad-request',
    'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    () => decodeMergePatch([]),
  );
});

test('a patch that changes nothing returns the document itself', () => {
  const document = { a: { b: 1 } };
  assert.equal(applyMergePatch(document, { a: { b: 1 }, c: null }), document);
});

const pod = schemaOf('io.k8s.api.core.v1.PodSpec');
const strategic = (document: JsonObject, patch: JsonObject) => applyStrategicMergePatch(document, patch, pod);

test('a strategic merge patch merges lists by their key', () => {
  const document = {
    containers: [
      { name: 'a', image: 'a:1' },
      { name: 'b', image: 'b:1' },
    ],
    nodeName: 'n',
  };
  const patch = {
    containers: [
      { name: 'c', image: 'c' },
      { name: 'a', image: 'a:2' },
    ],
    nodeName: null,
  };
  assert.deepEqual(strategic(document, patch), {
    containers: [
      { name: 'c', image: 'c' },
      { name: 'a', image: 'a:2' },
      { name: 'b', image: 'b:1' },
    ],
  });
});

test('directives delete, replace, order and retain', () => {
  const document = { containers: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] };
  const names = (result: JsonObject) => (result.containers as unknown as { name: string }[]).map((c) => c.name);
  assert.deepEqual(names(strategic(document, { containers: [{ $patch: 'delete', name: 'b' }] })), ['a', 'c']);
  assert.deepEqual(names(strategic(document, { containers: [{ $patch: 'replace' }, { name: 'z' }] })), ['z']);
  const order = ['c', 'b', 'a'].map((name) => ({ name }));
  assert.deepEqual(names(strategic(document, { '$setElementOrder/containers': order })), ['c', 'b', 'a']);
  assert.deepEqual(strategic({ ...document, nodeName: 'n' }, { $retainKeys: ['nodeName'], nodeName: 'm' }), {
    nodeName: 'm',
  });
  assert.deepEqual(strategic({ nodeSelector: { a: '1' } }, { nodeSelector: { $patch: 'replace', b: '2' } }), {
    nodeSelector: { b: '2' },
  });
  assert.deepEqual(strategic({ nodeSelector: { a: '1' } }, { nodeSelector: { $patch: 'delete' } }), {
    nodeSelector: {},
  });
});

test('scalars leave a merged list by $deleteFromPrimitiveList', () => {
  const meta = schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
  const patch = { '$deleteFromPrimitiveList/finalizers': ['b'], finalizers: ['d'] };
  assert.deepEqual(applyStrategicMergePatch({ finalizers: ['a', 'b', 'c'] }, patch, meta), {
    finalizers: ['d', 'a', 'c'],
  });
});

test('strategic merge patch errors have the words of upstream', () => {
  fails('internal', 'list element types are not identical: [[map[name:a]] [x]]', () =>
    strategic({ containers: [{ name: 'a' }] }, { containers: ['x'] }),
  );
  fails('internal', 'map: map[image:x] does not contain declared merge key: name', () =>
    strategic({ containers: [{ name: 'a' }] }, { containers: [{ image: 'x' }] }),
  );
  fails('bad-request', 'invalid patch format of retainKeys', () => strategic({}, { $retainKeys: 'x' }));
  fails('unprocessable', "patch content doesn't match retainKeys list", () => strategic({}, { $retainKeys: [], a: 1 }));
  fails('internal', 'unknown patch type: bogus in map: map[$patch:bogus]', () => strategic({}, { $patch: 'bogus' }));
});

test('a patch that is nested without end is refused', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`) as Json;
  fails('bad-request', 'error decoding patch: exceeded max depth', () => decodeMergePatch(deep));
  fails('bad-request', 'error decoding patch: exceeded max depth', () => decodeJsonPatch([{ op: 'add', value: deep }]));
});

test('a JSON patch can not nest a document without end', () => {
  const nest = [
    { op: 'copy', from: '/a', path: '/b' },
    { op: 'move', from: '/b', path: '/a/a' },
  ];
  const ways: Json[][] = [
    Array.from({ length: 2000 }, () => nest).flat(),
    Array.from({ length: 5000 }, (_, i) =>
      i % 2 === 0 ? { op: 'move', from: '/a', path: '/b/a' } : { op: 'move', from: '/b', path: '/a' },
    ).flatMap((op) => (op.path === '/b/a' ? [{ op: 'add', path: '/b', value: {} }, op] : [op])),
  ];
  for (const way of ways)
    fails('unprocessable', /exceeds the maximum depth|accumulated size/, () => json({ a: {} }, way));
});

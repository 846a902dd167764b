import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { inGoOrder } from './go-order.ts';
import { messageOf } from './messages.ts';

test('an object is written in the order of its Go structs, maps by their keys', () => {
  const message = messageOf('v1', 'Service');
  assert.ok(message);
  const service = {
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', selector: { b: '2', a: '1' }, ports: [{ port: 80, name: 'p' }] },
    metadata: { labels: { z: '1', y: '2' }, name: 's' },
    apiVersion: 'v1',
    kind: 'Service',
  };
  assert.equal(
    JSON.stringify(inGoOrder(service, message)),
    '{"kind":"Service","apiVersion":"v1","metadata":{"name":"s","labels":{"y":"2","z":"1"}},' +
      '"spec":{"ports":[{"name":"p","port":80}],"selector":{"a":"1","b":"2"},"clusterIP":"10.0.0.1","type":"ClusterIP"}}',
  );
});

test('a JSON patch sorts the objects that it opens and leaves the others as they are', () => {
  const document = { z: { y: 1, x: 2 }, a: { d: 1, c: 2 } };
  const patched = applyJsonPatch(document, [{ op: 'add', path: '/z/b', value: 3 }]);
  assert.equal(JSON.stringify(patched), '{"a":{"d":1,"c":2},"z":{"b":3,"x":2,"y":1}}');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice } from '../kube/types.gen.ts';
import { readyEndpoints } from './ready-endpoints.ts';

type Conditions = NonNullable<NonNullable<EndpointSlice['endpoints']>[number]['conditions']>;
const slice = (
  service: string,
  ...endpoints: readonly (readonly [node: string, Conditions | undefined])[]
): EndpointSlice => ({
  ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
  metadata: { name: service, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
  endpoints: endpoints.map(([nodeName, conditions]) => ({
    ...{ addresses: ['10.42.0.1'], nodeName },
    ...(conditions === undefined ? {} : { conditions }),
  })),
});
const ready = { ready: true, serving: true, terminating: false };
const ending = { ready: false, serving: true, terminating: true };
const gone = { ready: false, serving: false, terminating: true };

test('nodes of ready endpoints count, and those of ending ones while nobody else is there', () => {
  const found = readyEndpoints([
    slice('mixed', ['a', ready], ['b', ending], ['c', gone]),
    slice('mixed', ['d', undefined]),
    slice('ending', ['a', ending], ['b', gone]),
    slice('gone', ['a', gone]),
    { ...slice('x', ['a', ready]), metadata: { name: 'of nobody', namespace: 'default' } },
  ]);
  assert.deepEqual([...found].map(([key, nodes]) => [key, [...nodes].sort().join()]).sort(), [
    ['default/ending', 'a'],
    ['default/mixed', 'a,d'],
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Service } from '../../kube/types.gen.ts';
import { findVariable } from './environment-file.ts';
import { expand, expandStrictly } from './expansion.ts';
import { fieldValue, resourceFieldValue } from './field-value.ts';
import { linkedServices, serviceVariables } from './service-links.ts';

test('$(NAME) is replaced, $$ is a dollar, and names that are not known stay as they are', () => {
  const known = new Map([
    ['A', 'a'],
    ['B', '$(A)'],
  ]);
  const cases = {
    '$(A)-$(B)': 'a-$(A)',
    '$$(A) $$$(A)': '$(A) $a',
    '$(C) $(A': '$(C) $(A',
    '$A $': '$A $',
    '$()': '$()',
  };
  for (const [text, wanted] of Object.entries(cases)) assert.equal(expand(text, known), wanted, text);
  assert.deepEqual(expandStrictly('x/$(C)/$$', known), { value: 'x//$', missing: ['C'] });
});

const service = (name: string, namespace: string, spec: NonNullable<Service['spec']>): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec,
});
const web = service('my-web', 'shop', {
  clusterIP: '10.43.0.7',
  ports: [
    { name: 'http-alt', port: 80, protocol: 'TCP' },
    { port: 53, protocol: 'UDP' },
  ] as never,
});

test('a service is told as Docker links are', () => {
  assert.deepEqual(Object.fromEntries(serviceVariables([web])), {
    MY_WEB_SERVICE_HOST: '10.43.0.7',
    MY_WEB_SERVICE_PORT: '80',
    MY_WEB_SERVICE_PORT_HTTP_ALT: '80',
    MY_WEB_PORT: 'tcp://10.43.0.7:80',
    MY_WEB_PORT_80_TCP: 'tcp://10.43.0.7:80',
    MY_WEB_PORT_80_TCP_PROTO: 'tcp',
    MY_WEB_PORT_80_TCP_PORT: '80',
    MY_WEB_PORT_80_TCP_ADDR: '10.43.0.7',
    MY_WEB_PORT_53_UDP: 'udp://10.43.0.7:53',
    MY_WEB_PORT_53_UDP_PROTO: 'udp',
    MY_WEB_PORT_53_UDP_PORT: '53',
    MY_WEB_PORT_53_UDP_ADDR: '10.43.0.7',
  });
});

test('pods are told of the API server always, of their own namespace unless they refuse, of headless services never', () => {
  const api = service('kubernetes', 'default', { clusterIP: '10.43.0.1', ports: [{ port: 443 }] as never });
  const headless = service('db', 'shop', { clusterIP: 'None', ports: [{ port: 1 }] as never });
  const other = service('x', 'other', { clusterIP: '10.43.0.9', ports: [{ port: 1 }] as never });
  const names = (links: boolean) =>
    linkedServices([api, headless, other, web], 'shop', links).map(({ metadata }) => metadata.name);
  assert.deepEqual(names(true), ['kubernetes', 'my-web']);
  assert.deepEqual(names(false), ['kubernetes']);
});

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'p',
    namespace: 'shop',
    uid: 'u',
    labels: { b: 'two', a: 'x"\n\\' },
    annotations: { 'example.com/k': 'v' },
  },
  spec: {
    nodeName: 'n',
    containers: [{ name: 'c', resources: { limits: { cpu: '1500m', memory: '65M' }, requests: { cpu: '250m' } } }],
  },
};

test('downward fields: labels one a line and quoted, single keys plain, addresses from the runtime', () => {
  assert.equal(fieldValue(pod, 'metadata.labels'), 'a="x\\"\\n\\\\"\nb="two"');
  assert.equal(fieldValue(pod, "metadata.annotations['example.com/k']"), 'v');
  assert.equal(fieldValue(pod, "metadata.labels['none']"), '');
  assert.equal(fieldValue(pod, 'status.podIPs', { podIPs: ['10.0.0.1', 'fd00::1'], hostIPs: [] }), '10.0.0.1,fd00::1');
  assert.throws(() => fieldValue(pod, 'spec.priority'), /unsupported fieldPath: spec.priority/);
});

test('resource fields are rounded up in units of the divisor, and fall back to what the node can give', () => {
  const own = pod.spec?.containers[0];
  const node = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '10Gi' };
  const value = (resource: string, divisor?: string) =>
    resourceFieldValue(pod, own, { resource, ...(divisor ? { divisor } : {}) }, node);
  assert.equal(value('limits.cpu'), '2');
  assert.equal(value('limits.cpu', '1m'), '1500');
  assert.equal(value('limits.memory', '1Mi'), '62');
  assert.equal(value('limits.ephemeral-storage', '1Gi'), '10');
  assert.equal(value('requests.cpu', '1m'), '250');
  assert.equal(value('requests.memory'), '0');
});

test('environment files: quotes, comments, several lines, the last of a name', () => {
  const text = '# A=no\nA=one\nexport B=\'two\nlines\'\nC="three" # tail\nA=four\n';
  assert.equal(findVariable(text, 'A'), 'four');
  assert.equal(findVariable(text, 'B'), 'two\nlines');
  assert.equal(findVariable(text, 'C'), 'three');
  assert.equal(findVariable(text, 'D'), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../status-error.ts';
import { schemaOf } from './builtin.ts';
import { decode, type FieldValidation } from './decode.ts';

const types = {
  ConfigMap: 'io.k8s.api.core.v1.ConfigMap',
  Secret: 'io.k8s.api.core.v1.Secret',
  Pod: 'io.k8s.api.core.v1.Pod',
  Service: 'io.k8s.api.core.v1.Service',
  Deployment: 'io.k8s.api.apps.v1.Deployment',
  Role: 'io.k8s.api.rbac.v1.Role',
  Lease: 'io.k8s.api.coordination.v1.Lease',
  Event: 'io.k8s.api.core.v1.Event',
  LimitRange: 'io.k8s.api.core.v1.LimitRange',
  CronJob: 'io.k8s.api.batch.v1.CronJob',
  CustomResourceDefinition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
};

function read(kind: keyof typeof types, body: string | object, fieldValidation: FieldValidation = 'Warn') {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return decode(schemaOf(types[kind]), JSON.parse(text), {
    raw: Buffer.from(text),
    fieldValidation,
    groupVersionKind: { version: 'v1', kind },
  });
}

function refusal(kind: keyof typeof types, body: string | object, fieldValidation: FieldValidation = 'Warn'): string {
  try {
    read(kind, body, fieldValidation);
  } catch (error) {
    assert.ok(error instanceof StatusError);
    assert.equal(error.httpCode, 400);
    return error.status.message?.replace(`${kind} in version "v1" cannot be handled as a ${kind}: `, '') ?? '';
  }
  return 'accepted';
}

test('wrong types are named as Go names them', () => {
  const cases: readonly (readonly [keyof typeof types, object, string])[] = [
    [
      'ConfigMap',
      { binaryData: 'x' },
      'json: cannot unmarshal string into Go struct field ConfigMap.binaryData of type map[string][]uint8',
    ],
    [
      'ConfigMap',
      { data: { a: 1 } },
      'json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    ],
    [
      'ConfigMap',
      { metadata: { labels: [] } },
      'json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string',
    ],
    [
      'CronJob',
      { spec: { jobTemplate: { spec: { backoffLimit: 1.5 } } } },
      'json: cannot unmarshal number 1.5 into Go struct field JobSpec.spec.jobTemplate.spec.backoffLimit of type int32',
    ],
    [
      'CronJob',
      { spec: { jobTemplate: { spec: { template: { spec: { restartPolicy: 1 } } } } } },
      'json: cannot unmarshal number into Go struct field PodSpec.spec.jobTemplate.spec.template.spec.restartPolicy of type v1.RestartPolicy',
    ],
    [
      'Pod',
      { spec: { containers: ['x'] } },
      'json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container',
    ],
    [
      'Pod',
      { spec: { containers: 'x' } },
      'json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      'Pod',
      { spec: { terminationGracePeriodSeconds: 'x' } },
      'json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64',
    ],
    [
      'LimitRange',
      { spec: { limits: [{ max: 'x' }] } },
      'json: cannot unmarshal string into Go struct field LimitRangeItem.spec.limits.max of type v1.ResourceList',
    ],
    [
      'Service',
      { spec: { ports: [{ targetPort: true }] } },
      'json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32',
    ],
    [
      'Lease',
      { spec: { renewTime: 5 } },
      'json: cannot unmarshal number into Go struct field LeaseSpec.spec.renewTime of type string',
    ],
    ['Secret', { data: { a: '!!' } }, 'illegal base64 data at input byte 0'],
    ['Secret', { data: { a: 'YWJj=' } }, 'illegal base64 data at input byte 4'],
    ['Secret', { data: { a: 'YWJ' } }, 'illegal base64 data at input byte 0'],
    [
      'LimitRange',
      { spec: { limits: [{ max: { cpu: 'x' } }] } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      'Pod',
      { metadata: { creationTimestamp: 'yesterday' } },
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
    ],
    ['Event', { lastTimestamp: '2020-01-01T00:00:00Zz' }, 'parsing time "2020-01-01T00:00:00Zz": extra text: "z"'],
    [
      'Event',
      { eventTime: '2020-01-01T00:00:00Z' },
      'parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
    ],
    ['Event', { lastTimestamp: '2020-02-30T00:00:00Z' }, 'parsing time "2020-02-30T00:00:00Z": day out of range'],
  ];
  for (const [kind, body, expected] of cases) assert.equal(refusal(kind, body), expected);
});

test('unknown fields are dropped, with a warning or an error', () => {
  const body = { spec: { template: { spec: { bogus: 1, containers: [{ name: 'c', imag: 'x' }] } }, replica: 1 } };
  const warnings = [
    'unknown field "spec.template.spec.bogus"',
    'unknown field "spec.template.spec.containers[0].imag"',
    'unknown field "spec.replica"',
  ];
  const { object, warnings: found } = read('Deployment', body);
  assert.deepEqual(found, warnings);
  assert.equal(JSON.stringify(object).includes('bogus'), false);
  assert.equal(refusal('Deployment', body, 'Strict'), `strict decoding error: ${warnings.join(', ')}`);
  assert.deepEqual(read('Deployment', body, 'Ignore').warnings, []);
});

test('duplicate fields are found where they stand, between the unknown ones', () => {
  const body =
    '{"spec":{"containers":[{"name":"c","image":"a","image":"b","bogus":1}],"restartPolicy":"Never","restartPolicy":"Always"},"metadata":{"labels":{"a":"1","a":"2"}}}';
  assert.deepEqual(read('Pod', body).warnings, [
    'duplicate field "spec.containers[0].image"',
    'unknown field "spec.containers[0].bogus"',
    'duplicate field "spec.restartPolicy"',
    'duplicate field "metadata.labels.a"',
  ]);
  assert.deepEqual(read('ConfigMap', '{"data":{"a\\"b":"{\\"x\\":1,\\"x\\":2}","c":":::"}}').warnings, []);
});

test('empty members vanish where Go omits them and stay where it does not', () => {
  assert.deepEqual(
    read('ConfigMap', { metadata: { name: 'x', labels: {}, namespace: '' }, data: null, immutable: false }).object,
    {
      metadata: { name: 'x' },
      immutable: false,
    },
  );
  assert.deepEqual(read('ConfigMap', { data: { a: null } }).object['data'], { a: '' });
  assert.deepEqual(read('Role', { metadata: { name: 'x' }, rules: [] }).object['rules'], null);
  const pod = read('Pod', {
    spec: { containers: [{ name: 'c', stdin: false, env: [] }], priority: 0, hostNetwork: false },
  });
  assert.deepEqual(pod.object, {
    metadata: {},
    spec: { containers: [{ name: 'c', resources: {} }], priority: 0 },
    status: {},
  });
  const conditions = read('Pod', { status: { conditions: [{ type: 'Ready', status: 'True' }] } }).object['status'];
  assert.deepEqual(conditions, {
    conditions: [{ type: 'Ready', status: 'True', lastProbeTime: null, lastTransitionTime: null }],
  });
});

test('times, quantities and base64 get their canonical form', () => {
  const lease = read('Lease', { spec: { renewTime: '2020-01-01T02:00:00.123456+02:00' } });
  assert.deepEqual(lease.object['spec'], { renewTime: '2020-01-01T00:00:00.123456Z' });
  const event = read('Event', { metadata: { creationTimestamp: '2020-01-01T00:00:00.999-01:00' } });
  assert.deepEqual(event.object['metadata'], { creationTimestamp: '2020-01-01T01:00:00Z' });
  const limits = read('LimitRange', {
    spec: { limits: [{ type: 'Pod', max: { cpu: '1000m', memory: 1024, x: '1u' } }] },
  });
  assert.deepEqual(limits.object['spec'], { limits: [{ type: 'Pod', max: { cpu: '1', memory: '1024', x: '1m' } }] });
  assert.deepEqual(read('Secret', { data: { a: 'YW\nJj' } }).object['data'], { a: 'YWJj' });
});

test('a key named __proto__ is data like any other', () => {
  const { object } = read('ConfigMap', '{"data":{"__proto__":"x"}}');
  assert.equal(JSON.stringify(object['data']), '{"__proto__":"x"}');
});

test('the input is left alone and shares nothing with the result', () => {
  const body = { data: { a: '1' }, metadata: { labels: { a: '1' } } };
  const { object } = read('ConfigMap', body);
  assert.notEqual(object['data'], body.data);
  const frozen = Object.freeze({ data: Object.freeze({ a: '1' }) });
  const options = { fieldValidation: 'Ignore', groupVersionKind: { version: 'v1', kind: 'ConfigMap' } } as const;
  assert.notEqual(decode(schemaOf(types.ConfigMap), frozen, options).object['data'], frozen.data);
});

test('a JSON schema inside a CustomResourceDefinition is checked, the schemas of its items are not', () => {
  const schema = (openAPIV3Schema: object) => ({ spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema } }] } });
  const path = 'spec.versions[0].schema.openAPIV3Schema';
  assert.deepEqual(read('CustomResourceDefinition', schema({ properties: { a: { xml: 1 } } })).warnings, [
    `unknown field "${path}.properties.a.xml"`,
  ]);
  assert.deepEqual(read('CustomResourceDefinition', schema({ items: { type: 'object', xml: 1 } })).warnings, []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import { validateClientConfig } from './client-config.ts';
import { validateRule } from './rules.ts';
import { validateWebhooks, validateWebhooksUpdate } from './webhook-configuration.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'] };

test('wildcards of a rule stand alone', () => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['pods', 'pods/log'], []],
    [
      ['pods/*', 'pods/log'],
      ['r.resources[1]: Invalid value: "pods/log": if \'pods/*\' is present, must not specify pods/log'],
    ],
    [
      ['*', 'pods'],
      [
        'r.resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
      ],
    ],
  ];
  for (const [resources, expected] of cases) {
    assert.deepEqual([...validateRule({ ...rule, resources }, 'r')].map(renderFieldError), expected);
  }
});

test('a webhook is reached by https alone', () => {
  const errors = (url: string) => [...validateClientConfig({ url }, 'c')].map((error) => error.message);
  assert.deepEqual(errors('https://a.example/path'), []);
  assert.deepEqual(errors('http://a.example'), [
    'Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
  ]);
  assert.deepEqual(errors('https://u@a.example/?q#f'), [
    'Invalid value: "https://u@a.example/?q#f": user information is not permitted in the URL',
    'Invalid value: "f": fragments are not permitted in the URL',
    'Invalid value: "q": query parameters are not permitted in the URL',
  ]);
});

test('a webhook that stands may keep its side effects', () => {
  const webhook = {
    name: 'a.example.com',
    clientConfig: { url: 'https://a.example' },
    admissionReviewVersions: ['v1'],
    sideEffects: 'Some',
  };
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'w', uid: 'u', resourceVersion: '1' },
    webhooks: [webhook],
  };
  assert.equal(validateWebhooks(configuration).length, 1);
  assert.deepEqual(validateWebhooksUpdate(configuration, configuration), []);
});

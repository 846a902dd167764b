import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inClusterOptions, parseKubeconfig } from './kubeconfig.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

const text = `
apiVersion: v1
kind: Config
current-context: first
contexts:
- name: first
  context: {cluster: one, user: admin, namespace: n}
- name: second
  context: {cluster: two, user: robot}
- name: broken
  context: {cluster: three, user: robot}
clusters:
- name: one
  cluster: {server: "https://one:6443", certificate-authority-data: ${base64('CA')}}
- name: two
  cluster: {server: "https://two:6443", insecure-skip-tls-verify: true, tls-server-name: kube}
users:
- name: admin
  user: {client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}}
- name: robot
  user: {token: secret}
- name: plugin
  user: {exec: {command: login}}
`;

test('the current context is resolved, or the one that is named', async () => {
  const first = parseKubeconfig(text, { directory: '/' });
  assert.deepEqual(
    [first.server, first.ca, first.certificate?.()],
    ['https://one:6443', 'CA', { cert: 'CERT', key: 'KEY' }],
  );
  const second = parseKubeconfig(text, { directory: '/', context: 'second' });
  assert.deepEqual(
    [second.server, second.insecureSkipTlsVerify, second.tlsServerName],
    ['https://two:6443', true, 'kube'],
  );
  assert.equal(await second.token?.(), 'secret');
});

test('what is missing is named', () => {
  const cases: readonly (readonly [text: string, context: string | undefined, message: RegExp])[] = [
    [text, 'third', /no context "third"/],
    [text, 'broken', /no cluster "three"/],
    [text.replace('user: robot', 'user: plugin'), 'second', /credentials from a plugin/],
    [text.replace(/, client-key-data: [^}]+/, ''), undefined, /only one of client certificate/],
    ['a: [', undefined, /not YAML/],
    ['text', undefined, /not a mapping/],
  ];
  for (const [given, context, message] of cases) {
    assert.throws(() => parseKubeconfig(given, { directory: '/', ...(context ? { context } : {}) }), message);
  }
});

test('inside a pod the service account is used', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-in-cluster-'));
  try {
    writeFileSync(join(directory, 'ca.crt'), 'CA');
    writeFileSync(join(directory, 'token'), 'T\n');
    const options = inClusterOptions('fd00::1', '443', directory);
    assert.deepEqual([options.server, options.ca, await options.token?.()], ['https://[fd00::1]:443', 'CA', 'T']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { silentLog } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { type OracleServer, startOracleServer } from '../compliance/oracle-composition.ts';
import { eventually, type KubectlVersion, kubectlPath, runCommand } from '../testbed/kubectl.ts';

const stack = new AsyncDisposableStack();
const directory = mkdtempSync(join(tmpdir(), 'wherry-crd-'));
let server: OracleServer;
let caFile = '';

before(async () => {
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const keyFile = join(directory, 'key.pem');
  caFile = join(directory, 'ca.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, '-out', caFile, ...subject], { stdio: 'ignore' });
  const backend = stack.use(await openSqliteBackend({ directory: join(directory, 'db') }));
  const tls = { cert: readFileSync(caFile), key: readFileSync(keyFile) };
  server = stack.use(await startOracleServer({ backend, tls, log: silentLog, port: 0 }));
});

after(() => stack[Symbol.asyncDispose]());

async function kubectl(version: KubectlVersion, args: readonly string[], input?: string) {
  const home = join(directory, `home-${version}`);
  const url = `https://127.0.0.1:${server.port}`;
  const connection = ['--server', url, '--certificate-authority', caFile, '--token', server.token];
  return await runCommand(kubectlPath(version), [...connection, ...args], {
    environment: { HOME: home, KUBECONFIG: join(home, 'none') },
    ...(input === undefined ? {} : { input }),
  });
}

async function succeed(version: KubectlVersion, args: readonly string[], input?: string): Promise<string> {
  const result = await kubectl(version, args, input);
  assert.equal(result.status, 0, `kubectl ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

const definitionOf = (plural: string, kind: string) => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${plural}.boats.example.com}
spec:
  group: boats.example.com
  scope: Namespaced
  names: {plural: ${plural}, kind: ${kind}, shortNames: [${plural.slice(0, 2)}], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Length, type: integer, jsonPath: .spec.length}
    - {name: Crew, type: string, jsonPath: ".spec.crew[*].name"}
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [length]
            properties:
              length: {type: integer, minimum: 1, description: How long the boat is.}
              flag: {type: string, default: none}
              replicas: {type: integer}
              crew: {type: array, items: {type: object, properties: {name: {type: string}}}}
          status: {type: object, properties: {replicas: {type: integer}}}
`;

for (const version of ['1.36', '1.30'] as const) {
  test(`kubectl ${version} finds what is served and explains it`, async () => {
    const resources = await succeed(version, ['api-resources', '--api-group=apps', '-o', 'name']);
    assert.match(resources, /^deployments\.apps$/m);
    const spec = await succeed(version, ['explain', 'pods.spec']);
    assert.match(spec, /FIELD: spec <PodSpec>/);
    assert.match(spec, /containers\s+<\[\]Container> -required-/);
  });

  test(`kubectl ${version} makes a definition, and objects of it`, async () => {
    const plural = version === '1.36' ? 'dinghies' : 'rafts';
    const kind = version === '1.36' ? 'Dinghy' : 'Raft';
    await succeed(version, ['create', '-f', '-'], definitionOf(plural, kind));
    const name = `${plural}.boats.example.com`;
    await succeed(version, ['wait', '--for=condition=Established', '--timeout=10s', `crd/${name}`]);
    const boat = (spec: object) =>
      JSON.stringify({ apiVersion: 'boats.example.com/v1', kind, metadata: { name: 'anna' }, spec });
    const crew = [{ name: 'Bo' }];
    const refused = await kubectl(version, ['apply', '-f', '-'], boat({ length: 0 }));
    assert.match(refused.stderr, /spec\.length in body should be greater than or equal to 1/);
    const misspelt = await kubectl(version, ['apply', '-f', '-'], boat({ length: 3, lenght: 3 }));
    assert.match(misspelt.stderr, /unknown field "spec\.lenght"/);
    await succeed(version, ['apply', '-f', '-'], boat({ length: 3, crew }));
    await succeed(
      version,
      ['apply', '--server-side', '--field-manager=me', '--force-conflicts', '-f', '-'],
      boat({ length: 4, crew }),
    );
    const table = await succeed(version, ['get', plural]);
    assert.match(table, /^NAME\s+LENGTH\s+CREW\nanna\s+4\s+Bo$/m);
    assert.equal(await succeed(version, ['get', plural.slice(0, 2), 'anna', '-o', 'jsonpath={.spec.flag}']), 'none');
    await succeed(version, ['scale', `${plural}/anna`, '--replicas=2']);
    assert.equal(await succeed(version, ['get', plural, 'anna', '-o', 'jsonpath={.spec.replicas}']), '2');
    const explained = await succeed(version, ['explain', `${plural}.spec.length`]);
    assert.match(explained, /How long the boat is\./);
    await succeed(version, ['delete', 'crd', name, '--timeout=20s']);
    // Asked for all resources, kubectl does not trust what it remembers.
    await eventually('the resource is gone', 10_000, async () => {
      const left = await succeed(version, ['api-resources', '--api-group=boats.example.com', '-o', 'name']);
      return left.includes(plural) ? undefined : true;
    });
  });
}

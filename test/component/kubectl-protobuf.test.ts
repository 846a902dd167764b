/** Protobuf over the wire: what kubectl sends with it, and what a client gets that prefers it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { decodeEnvelope, openEnvelope } from '../../src/kube/protobuf/decode.ts';
import { encodeEnvelope } from '../../src/kube/protobuf/encode.ts';
import { type OracleServer, startOracleServer } from '../compliance/oracle-composition.ts';
import { selfSigned } from '../compliance/oracle-server.ts';
import { type CommandResult, eventually, type KubectlVersion, kubectlPath, runCommand } from '../testbed/kubectl.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly bytes: Buffer;
}

/** An API server without controllers on a loopback socket, in a directory of its own. */
class World implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #server: OracleServer;
  readonly #ca: Buffer;
  readonly #directory: string;

  private constructor(stack: AsyncDisposableStack, server: OracleServer, ca: Buffer, directory: string) {
    this.#stack = stack;
    this.#server = server;
    this.#ca = ca;
    this.#directory = directory;
  }

  static async start(): Promise<World> {
    await using started = new AsyncDisposableStack();
    const directory = mkdtempSync(join(tmpdir(), 'wherry-protobuf-'));
    started.defer(() => rmSync(directory, { recursive: true, force: true }));
    const tls = selfSigned(directory);
    const backend = started.use(await openSqliteBackend({ directory: join(directory, 'db') }));
    const server = started.use(await startOracleServer({ backend, tls, log: silentLog, port: 0 }));
    return new World(started.move(), server, tls.cert, directory);
  }

  /** A namespace with its default service account, which no controller makes here. */
  async namespace(name: string): Promise<void> {
    const metadata = { name };
    await this.expect(201, 'POST', '/api/v1/namespaces', { kind: 'Namespace', apiVersion: 'v1', metadata });
    const account = { kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'default' } };
    await this.expect(201, 'POST', `/api/v1/namespaces/${name}/serviceaccounts`, account);
  }

  /** Sends an object as protobuf, or bytes as they are. */
  call(
    method: string,
    path: string,
    body?: object | Buffer,
    accept = protobuf,
    onData?: (chunk: Buffer) => void,
  ): Promise<Reply> {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : encodeEnvelope(body);
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const options = { host: '127.0.0.1', port: this.#server.port, path, method, ca: this.#ca };
    const type = bytes === undefined ? {} : { 'content-type': protobuf, 'content-length': bytes.length };
    const headers = { ...type, accept, authorization: `Bearer ${this.#server.token}` };
    const sent = request({ ...options, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        onData?.(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const contentType = String(response.headers['content-type']);
        resolve({ status: response.statusCode ?? 0, type: contentType, bytes: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end(bytes);
    return promise;
  }

  /** The same for an answer of protobuf, decoded. */
  // biome-ignore lint/suspicious/noExplicitAny: bodies of a test are looked at freely.
  async expect(status: number, method: string, path: string, body?: object | Buffer, accept?: string): Promise<any> {
    const reply = await this.call(method, path, body, accept);
    assert.equal(reply.type, protobuf, reply.bytes.toString());
    const object = decodeEnvelope(openEnvelope(reply.bytes));
    assert.equal(reply.status, status, JSON.stringify(object));
    return object;
  }

  async kubectl(
    version: KubectlVersion,
    namespace: string,
    args: readonly string[],
    input = '',
  ): Promise<CommandResult> {
    const { port, token } = this.#server;
    const file = join(this.#directory, `config-${version}-${namespace}`);
    const config = {
      kind: 'Config',
      apiVersion: 'v1',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace } }],
      clusters: [
        {
          name: 'test',
          cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': this.#ca.toString('base64') },
        },
      ],
      users: [{ name: 'test', user: { token } }],
    };
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    const environment = { KUBECONFIG: file, KUBECACHEDIR: join(this.#directory, `cache-${version}`) };
    return await runCommand(kubectlPath(version), args, { input, environment });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

let world: World;
before(async () => {
  world = await World.start();
});
after(() => world[Symbol.asyncDispose]());

/** A command, and what the namespace must hold afterwards: `kubectl get` of the first, through the template of the second. */
type Step = readonly [command: string, check?: string | undefined, expected?: string];

const steps: readonly Step[] = [
  [
    'create deployment web --image=nginx:1 --replicas=2 --port=80',
    'get deployment web -o jsonpath={.spec.replicas}/{.spec.template.spec.containers[0].image}/{.spec.strategy.rollingUpdate.maxSurge}/{.status}',
    '2/nginx:1/25%/{}',
  ],
  [
    'expose deployment web --port=80 --target-port=http',
    'get service web -o jsonpath={.spec.ports[0].targetPort}',
    'http',
  ],
  ['autoscale deployment web --min=1 --max=3 --cpu-percent=80', 'get hpa web -o jsonpath={.spec.maxReplicas}', '3'],
  ['scale deployment web --replicas=5', 'get deployment web -o jsonpath={.spec.replicas}', '5'],
  ['set image deployment/web nginx=nginx:2', 'get deployment web -o jsonpath={..image}', 'nginx:2'],
  ['rollout restart deployment web'],
  ['label deployment web tier=front', 'get deployment -l tier=front -o name', 'deployment.apps/web'],
  [
    'create job pi --image=perl -- perl -v',
    'get job pi -o jsonpath={.spec.template.spec.containers[0].command}',
    '["perl","-v"]',
  ],
  [
    'create cronjob tick --image=busybox --schedule=*/5\\ *\\ *\\ *\\ * -- date',
    'get cronjob tick -o jsonpath={.spec.schedule}',
    '*/5 * * * *',
  ],
  ['create job tock --from=cronjob/tick', 'get job tock -o jsonpath={.metadata.ownerReferences[0].name}', 'tick'],
  [
    'create service nodeport door --tcp=80:8080',
    'get service door -o jsonpath={.spec.type}/{.spec.ports[0].targetPort}',
    'NodePort/8080',
  ],
  ['create service externalname far --external-name=example.org'],
  ['create service clusterip none --clusterip=None', 'get service none -o jsonpath={.spec.clusterIP}', 'None'],
  [
    'create configmap settings --from-literal=a=1 --from-literal=b=',
    'get cm settings -o jsonpath={.data}',
    '{"a":"1","b":""}',
  ],
  ['create secret generic keys --from-literal=a=hi!', 'get secret keys -o jsonpath={.data.a}/{.type}', 'aGkh/Opaque'],
  [
    'create role reader --verb=get,list --resource=pods,pods/log',
    'get role reader -o jsonpath={.rules[0].resources}',
    '["pods","pods/log"]',
  ],
  [
    'create rolebinding readers --role=reader --user=jane --serviceaccount=default:x',
    'get rolebinding readers -o jsonpath={.subjects[*].name}',
    'jane x',
  ],
  [
    'create quota limits --hard=pods=10,memory=1Gi --scopes=NotTerminating',
    'get quota limits -o jsonpath={.spec.hard}',
    '{"memory":"1Gi","pods":"10"}',
  ],
  [
    'create pdb keep --selector=app=web --min-available=50%',
    'get pdb keep -o jsonpath={.spec.minAvailable}/{.spec.selector.matchLabels.app}',
    '50%/web',
  ],
  [
    'create ingress door --rule=example.org/*=web:http',
    'get ingress door -o jsonpath={.spec.rules[0].http.paths[0].backend.service.port.name}',
    'http',
  ],
  ['create serviceaccount robot', 'get sa robot -o name', 'serviceaccount/robot'],
  ['create token robot --duration=1h'],
  [
    'run one --image=busybox --env=A=b --restart=Never -- sleep 1',
    'get pod one -o jsonpath={.spec.containers[0].env[0].value}/{.spec.containers[0].args}/{.spec.restartPolicy}',
    'b/["sleep","1"]/Never',
  ],
  ['annotate pod one note=x', 'get pod one -o jsonpath={.metadata.annotations.note}', 'x'],
  ['delete pod one --now', 'get pods -o name', ''],
  ['auth can-i create deployments', undefined, 'yes'],
  ['auth whoami -o jsonpath={.status.userInfo.username}', undefined, 'admin'],
];

function words(command: string): readonly string[] {
  return command.split(/(?<!\\) /).map((word) => word.replaceAll('\\ ', ' '));
}

for (const version of ['1.36', '1.30'] as const) {
  describe(`kubectl ${version}`, () => {
    const namespace = `kubectl-${version.replace('.', '-')}`;

    it('makes and changes objects of all kinds', async () => {
      await world.namespace(namespace);
      for (const [command, check, expected] of steps) {
        const done = await world.kubectl(version, namespace, words(command));
        assert.equal(done.status, 0, `kubectl ${command}: ${done.stderr}`);
        if (expected === undefined) continue;
        const seen = check === undefined ? done : await world.kubectl(version, namespace, words(check));
        assert.equal(seen.stdout.trim(), expected, `kubectl ${command}, then ${check}: ${seen.stderr}`);
      }
    });

    it('makes objects of the cluster', async () => {
      for (const command of [
        `create priorityclass ${namespace} --value=-5 --description=low`,
        `create clusterrole ${namespace} --verb=get --non-resource-url=/healthz`,
        `create clusterrolebinding ${namespace} --clusterrole=${namespace} --group=g`,
        `create namespace ${namespace}-more`,
      ]) {
        const done = await world.kubectl(version, namespace, words(command));
        assert.equal(done.status, 0, `kubectl ${command}: ${done.stderr}`);
      }
      const value = await world.kubectl(version, namespace, ['get', 'pc', namespace, '-o', 'jsonpath={.value}']);
      assert.equal(value.stdout, '-5');
    });

    it('cordons and drains a node', async () => {
      const node = { kind: 'Node', apiVersion: 'v1', metadata: { name: namespace } };
      await world.expect(201, 'POST', '/api/v1/nodes', node);
      const pod = {
        kind: 'Pod',
        apiVersion: 'v1',
        metadata: { name: 'lodger' },
        spec: { nodeName: namespace, terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'i' }] },
      };
      await world.expect(201, 'POST', `/api/v1/namespaces/${namespace}/pods`, pod);
      const flags = ['--force', '--disable-eviction=false', '--grace-period=0'];
      const rehearsed = await world.kubectl(version, namespace, ['drain', namespace, ...flags, '--dry-run=server']);
      assert.equal(rehearsed.status, 0, rehearsed.stderr);
      const drained = await world.kubectl(version, namespace, ['drain', namespace, ...flags, '--timeout=20s']);
      assert.equal(drained.status, 0, drained.stderr);
      const gone = await world.expect(404, 'GET', `/api/v1/namespaces/${namespace}/pods/lodger`);
      assert.equal(gone.reason, 'NotFound');
    });
  });
}

it('kubectl 1.36 sends protobuf when it creates a deployment', async () => {
  await world.namespace('loud');
  const done = await world.kubectl('1.36', 'loud', ['create', 'deployment', 'x', '--image=i', '-v=9']);
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stderr, /Content-Type[:="\\ []+application\/vnd\.kubernetes\.protobuf/);
});

describe('a client that prefers protobuf', () => {
  const maps = '/api/v1/namespaces/typed/configmaps';
  const map = (name: string) => ({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name }, data: { a: '1' } });

  before(() => world.namespace('typed'));

  it('creates, reads, replaces and deletes', async () => {
    const made = await world.expect(201, 'POST', maps, map('x'));
    assert.equal(made.metadata.managedFields[0].fieldsV1['f:data']['f:a'] !== undefined, true);
    assert.deepEqual(await world.expect(200, 'GET', `${maps}/x`), made);
    const changed = await world.expect(200, 'PUT', `${maps}/x`, { ...made, data: { a: '2' } });
    assert.deepEqual(changed.data, { a: '2' });
    const preconditions = { uid: 'other' };
    const options = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions };
    assert.equal((await world.expect(409, 'DELETE', `${maps}/x`, options)).reason, 'Conflict');
    assert.equal((await world.expect(200, 'DELETE', `${maps}/x`)).status, 'Success');
  });

  it('gets lists, whose items say nothing of their kind, and metadata alone', async () => {
    await world.expect(201, 'POST', maps, map('listed'));
    const list = await world.expect(200, 'GET', `${maps}?fieldSelector=metadata.name=listed`);
    assert.equal(list.kind, 'ConfigMapList');
    assert.match(list.metadata.resourceVersion, /^\d+$/);
    assert.deepEqual(
      list.items.map((item: { data: object }) => item.data),
      [{ a: '1' }],
    );
    const as = `${protobuf};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`;
    const part = await world.expect(200, 'GET', `${maps}/listed`, undefined, as);
    assert.deepEqual([part.kind, part.apiVersion, part.data], ['PartialObjectMetadata', 'meta.k8s.io/v1', undefined]);
  });

  it('gets tables as JSON only', async () => {
    const as = 'as=Table;g=meta.k8s.io;v=v1';
    const json = await world.call('GET', maps, undefined, `${protobuf};${as},application/json;${as}`);
    assert.equal(json.type, 'application/json');
    assert.equal(JSON.parse(json.bytes.toString()).kind, 'Table');
    assert.equal((await world.call('GET', maps, undefined, `${protobuf};${as}`)).status, 406);
  });

  it('watches in frames', async () => {
    await world.expect(201, 'POST', maps, map('watched'));
    const path = `${maps}?watch=1&timeoutSeconds=2&fieldSelector=metadata.name=watched&resourceVersion=0`;
    let received = Buffer.alloc(0);
    const types: string[] = [];
    const read = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
        const end = 4 + received.readUInt32BE(0);
        const frame = received.subarray(4, end);
        // The object is an envelope of its own: only its place is read here.
        const text = frame.toString('latin1');
        types.push(text.slice(2, 2 + (frame[1] ?? 0)));
        const object = decodeEnvelope(openEnvelope(frame.subarray(text.indexOf('k8s\0'))));
        assert.equal(object?.['kind'], 'ConfigMap');
        received = received.subarray(end);
      }
    };
    const ended = world.call('GET', path, undefined, protobuf, read);
    await eventually('the state', 10_000, async () => (types.length === 1 ? true : undefined));
    await world.expect(200, 'DELETE', `${maps}/watched`);
    const reply = await ended;
    assert.equal(reply.type, `${protobuf};stream=watch`);
    assert.deepEqual(types, ['ADDED', 'DELETED']);
  });

  it('learns of discovery, errors and refusals in protobuf', async () => {
    assert.equal((await world.expect(200, 'GET', '/apis')).kind, 'APIGroupList');
    assert.equal((await world.expect(200, 'GET', '/apis/apps/v1')).kind, 'APIResourceList');
    assert.equal((await world.expect(404, 'GET', `${maps}/nope`)).reason, 'NotFound');
    assert.equal((await world.call('GET', '/', undefined)).type, 'application/json');
  });

  it('is told what is wrong with its bytes', async () => {
    const messageOf = async (body: Buffer) => (await world.expect(400, 'POST', maps, body)).message;
    const head = 'the object provided is unrecognized (must be of type ConfigMap)';
    assert.equal(await messageOf(Buffer.from('k8s\0')), `${head}: empty body (6b387300)`);
    assert.equal(await messageOf(Buffer.from('k8s\0\x0a\x09')), `${head}: unexpected EOF (6b3873000a09)`);
    assert.equal(
      await messageOf(Buffer.from('k8s\0\x12\x02\x08\x01')),
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: proto: wrong wireType = 0 for field ObjectMeta',
    );
    assert.match(await messageOf(encodeEnvelope({ kind: 'Pod', apiVersion: 'v1' })), /^Pod in version "v1" cannot be/);
    const options = await world.expect(400, 'DELETE', `${maps}/nope`, Buffer.from('k8s\0'));
    assert.equal(options.message, 'empty body');
  });

  it('reviews access, and asks for tokens', async () => {
    const review = { kind: 'SelfSubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', metadata: {} };
    const spec = { resourceAttributes: { verb: 'get', resource: 'pods' } };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    assert.equal((await world.expect(201, 'POST', path, { ...review, spec })).status.allowed, true);
    const tokens = '/api/v1/namespaces/typed/serviceaccounts/default/token';
    const body = { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec: { expirationSeconds: 600 } };
    assert.match((await world.expect(201, 'POST', tokens, body)).status.token, /^ey/);
  });

  it('gets custom resources as JSON, and cannot send them as protobuf', async () => {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const definition = {
      kind: 'CustomResourceDefinition',
      apiVersion: 'apiextensions.k8s.io/v1',
      metadata: { name: 'foos.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'foos', kind: 'Foo', singular: 'foo', listKind: 'FooList' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    };
    await world.expect(201, 'POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    const path = '/apis/example.com/v1/namespaces/typed/foos';
    await eventually('the resource', 10_000, async () => {
      const { status } = await world.call('GET', path, undefined, 'application/json');
      return status === 200 ? true : undefined;
    });
    assert.equal((await world.expect(406, 'GET', path)).reason, 'NotAcceptable');
    assert.equal((await world.call('GET', path, undefined, `${protobuf},application/json`)).type, 'application/json');
    const as = `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
    assert.equal((await world.expect(200, 'GET', path, undefined, as)).kind, 'PartialObjectMetadataList');
    const body = Buffer.from(encodeEnvelope({ kind: 'ConfigMap', apiVersion: 'v1' }).toString('latin1'), 'latin1');
    const refused = JSON.parse((await world.call('POST', path, body, 'application/json')).bytes.toString());
    assert.match(refused.message, /does not implement the protobuf marshalling interface/);
  });
});

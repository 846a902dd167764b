import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type SecuredServer, startSecuredServer } from '../../../test/testbed/secured-server.ts';
import type { KeyPair } from './certificates.ts';
import { ensurePki, type Pki } from './pki.ts';

const names = {
  subjectAltNames: [],
  serviceAddresses: ['10.43.0.1'],
  clusterDomain: 'cluster.local',
  nowMs: Date.now(),
};
let directory: string;
let pki: Pki;
let foreign: Pki;
let world: SecuredServer;
let port: number;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'wherry-access-'));
  pki = await ensurePki({ ...names, directory: join(directory, 'a') });
  foreign = await ensurePki({ ...names, directory: join(directory, 'b') });
  const { certificate, key } = pki.apiServer;
  world = await startSecuredServer({ cert: certificate, key, clientCa: pki.clientAuthority.certificate });
  port = await world.server.listen('127.0.0.1', 0);
});
after(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

interface Reply {
  readonly code: number;
  readonly body: Record<string, unknown>;
}

const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

function overHttp1(client: KeyPair | undefined): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const credentials = client === undefined ? {} : { cert: client.certificate, key: client.key };
  const options = {
    method: 'POST',
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    headers: { 'content-type': 'application/json' },
  };
  const call = request({ ...options, ...credentials, ca: pki.serverAuthority.certificate }, (response) => {
    let text = '';
    response.on('data', (chunk) => {
      text += chunk;
    });
    response.on('end', () => resolve({ code: response.statusCode ?? 0, body: JSON.parse(text) }));
  });
  call.on('error', reject);
  call.end('{}');
  return promise;
}

async function overHttp2(client: KeyPair): Promise<Reply> {
  const { certificate, key } = client;
  const session = connect(`https://127.0.0.1:${port}`, { ca: pki.serverAuthority.certificate, cert: certificate, key });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
    let code = 0;
    let text = '';
    stream.on('response', (headers) => {
      code = Number(headers[':status']);
    });
    stream.on('data', (chunk) => {
      text += chunk;
    });
    stream.on('end', () => resolve({ code, body: JSON.parse(text) }));
    stream.on('error', reject);
    stream.end('{}');
    return await promise;
  } finally {
    session.close();
  }
}

function userOf({ body }: Reply): unknown {
  const status = body['status'];
  return typeof status === 'object' && status !== null && 'userInfo' in status
    ? Reflect.get(status.userInfo as object, 'username')
    : undefined;
}

test("the administrator's certificate opens the API, over HTTP/1.1 and HTTP/2", async () => {
  for (const reply of [await overHttp1(pki.admin), await overHttp2(pki.admin)]) {
    assert.equal(reply.code, 201, JSON.stringify(reply.body));
    assert.equal(userOf(reply), 'system:admin');
  }
});

test('a certificate of another cluster is refused, and so is nobody', async () => {
  const other = await overHttp1(foreign.admin);
  assert.equal(other.code, 401);
  assert.equal((await overHttp2(foreign.admin)).code, 401);
  const nobody = await overHttp1(undefined);
  assert.equal(nobody.code, 403);
  assert.match(String(nobody.body['message']), /User "system:anonymous" cannot create resource "selfsubjectreviews"/);
});

test('the certificate of a serving component is no identity', async () => {
  assert.equal((await overHttp1(pki.apiServer)).code, 401);
});

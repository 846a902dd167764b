import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { bodyLimitBytes } from '../../src/apiserver/http/body.ts';
import { admin, configMap, maps, World } from './api-world.ts';

describe('the API server over HTTPS', () => {
  let world: World;
  before(async () => {
    world = await World.start();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  it('creates, reads, replaces, patches and deletes', async () => {
    const created = await world.call('POST', maps, configMap('life', { a: '1' }));
    assert.equal(created.status, 201, created.text);
    const { uid, resourceVersion } = created.body.metadata;
    const read = await world.call('GET', `${maps}/life`);
    assert.deepEqual(read.body, created.body);
    const replaced = await world.call('PUT', `${maps}/life`, { ...created.body, data: { a: '2' } });
    assert.equal(replaced.status, 200);
    assert.notEqual(replaced.body.metadata.resourceVersion, resourceVersion);
    const stale = await world.call('PUT', `${maps}/life`, { ...created.body, data: { a: '3' } });
    assert.equal(stale.status, 409);
    assert.equal(stale.body.reason, 'Conflict');
    const merge = { authorization: 'Bearer good', 'content-type': 'application/merge-patch+json' };
    const patched = await world.call('PATCH', `${maps}/life`, { data: { b: '4' } }, merge);
    assert.deepEqual(patched.body.data, { a: '2', b: '4' });
    const again = await world.call('PATCH', `${maps}/life`, { data: { b: '4' } }, merge);
    assert.equal(again.body.metadata.resourceVersion, patched.body.metadata.resourceVersion);
    const deleted = await world.call('DELETE', `${maps}/life`);
    assert.equal(deleted.body.details.uid, uid);
    assert.equal((await world.call('GET', `${maps}/life`)).status, 404);
  });

  it('shows each change once and in order to a watch, and what its selector makes of it', async () => {
    const start = (await world.call('GET', maps)).body.metadata.resourceVersion;
    await world.call('POST', maps, configMap('w', {}, { app: 'x' }));
    const watching = world.call(
      'GET',
      `${maps}?watch=1&resourceVersion=${start}&labelSelector=app%3Dx&timeoutSeconds=1`,
    );
    const merge = { authorization: 'Bearer good', 'content-type': 'application/merge-patch+json' };
    await world.call('PATCH', `${maps}/w`, { data: { a: '1' } }, merge);
    await world.call('PATCH', `${maps}/w`, { metadata: { labels: { app: 'y' } } }, merge);
    await world.call('DELETE', `${maps}/w`);
    const events = (await watching).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ type }) => type),
      ['ADDED', 'MODIFIED', 'DELETED'],
    );
    const versions = events.map(({ object }) => Number(object.metadata.resourceVersion));
    assert.deepEqual(
      versions,
      [...versions].sort((a, b) => a - b),
    );
    assert.deepEqual(events[2].object.metadata.labels, { app: 'x' });
  });

  it('pages through a list at the revision of its first page', async () => {
    const space = '/api/v1/namespaces/paging/configmaps';
    for (const name of ['a', 'b', 'c', 'd', 'e']) await world.call('POST', space, configMap(name));
    const first = (await world.call('GET', `${space}?limit=2`)).body;
    assert.equal(first.metadata.remainingItemCount, 3);
    await world.call('DELETE', `${space}/d`);
    const rest = (await world.call('GET', `${space}?limit=5&continue=${first.metadata.continue}`)).body;
    assert.deepEqual(
      rest.items.map((item: { metadata: { name: string } }) => item.metadata.name),
      ['c', 'd', 'e'],
    );
    assert.equal(rest.metadata.resourceVersion, first.metadata.resourceVersion);
  });

  it('refuses strangers, those who may not, and bodies beyond the limit', async () => {
    const nobody = await world.call('GET', maps, undefined, {});
    assert.equal(nobody.status, 401);
    assert.equal(nobody.body.reason, 'Unauthorized');
    const guest = await world.call('GET', maps, undefined, { authorization: 'Bearer guest' });
    assert.equal(guest.status, 403);
    assert.match(guest.body.message, /^configmaps is forbidden: User "guest" cannot list resource "configmaps"/);
    const large = await world.call('POST', maps, `{"a":"${'x'.repeat(bodyLimitBytes)}"}`);
    assert.equal(large.status, 413);
    assert.equal(large.body.message, `Request entity too large: limit is ${bodyLimitBytes}`);
  });

  it('answers JSON, YAML, tables and metadata as the client prefers, and compresses what is large', async () => {
    await world.call('POST', maps, configMap('form', { a: 'x'.repeat(200_000) }));
    const accept = (value: string) => ({ authorization: 'Bearer good', accept: value });
    const yaml = await world.call('GET', `${maps}/form`, undefined, accept('application/yaml'));
    assert.match(yaml.text, /^apiVersion: v1\ndata:\n/);
    const meta = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
    const partial = await world.call('GET', `${maps}/form`, undefined, accept(meta));
    assert.equal(partial.body.kind, 'PartialObjectMetadata');
    assert.equal(partial.body.data, undefined);
    const table = await world.call('GET', maps, undefined, accept('application/json;as=Table;v=v1;g=meta.k8s.io'));
    assert.equal(table.body.kind, 'Table');
    const none = await world.call('GET', maps, undefined, accept('text/html'));
    assert.equal(none.status, 406);
    const zipped = await world.call('GET', maps, undefined, {
      authorization: 'Bearer good',
      'accept-encoding': 'gzip',
    });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
  });

  it('speaks HTTP/2 on the same port', async () => {
    const session = connectHttp2(`https://127.0.0.1:${world.port}`, { ca: world.ca });
    try {
      const stream = session.request({ ':path': '/version', authorization: 'Bearer good' });
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      assert.equal(JSON.parse(Buffer.concat(chunks).toString()).minor, '36');
    } finally {
      session.destroy();
    }
  });

  it('answers what is no HTTP with an error and goes on', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: world.port, ca: world.ca }, () =>
        socket.end('nonsense\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal((await world.call('GET', '/livez')).text, 'ok');
  });

  it('never gives one cluster IP or node port to two Services', async () => {
    const path = '/api/v1/namespaces/default/services';
    const names = Array.from({ length: 60 }, (_, index) => `s${index}`);
    const replies = await Promise.all(
      names.map((name) =>
        world.call('POST', path, {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name },
          spec: { type: 'NodePort', ports: [{ port: 80 }] },
        }),
      ),
    );
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([201]));
    assert.equal(new Set(replies.map(({ body }) => body.spec.clusterIP)).size, names.length);
    assert.equal(new Set(replies.map(({ body }) => body.spec.ports[0].nodePort)).size, names.length);
    assert.ok(!replies.some(({ body }) => body.spec.clusterIP === '10.43.0.1'));
    const addresses = (await world.call('GET', '/apis/networking.k8s.io/v1/ipaddresses')).body.items;
    assert.equal(addresses.length, names.length);
    await Promise.all(names.map((name) => world.call('DELETE', `${path}/${name}`)));
    assert.deepEqual((await world.call('GET', '/apis/networking.k8s.io/v1/ipaddresses')).body.items, []);
  });

  it('gives the same objects in process, without copies', async () => {
    const transport = world.server.transport(admin);
    const body = configMap('inside', { a: '1' });
    const created = await transport.call({ method: 'POST', path: maps, body });
    const read = await transport.call({ method: 'GET', path: `${maps}/inside` });
    assert.equal(read, created);
    const { body: outside } = await world.call('GET', `${maps}/inside`);
    assert.deepEqual(outside, read);
    const stop = new AbortController();
    const query = {
      watch: '1',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
    };
    const types: string[] = [];
    for await (const event of transport.stream({ method: 'GET', path: maps, query, signal: stop.signal })) {
      const { type } = event as { readonly type: string };
      types.push(type);
      if (type === 'BOOKMARK') stop.abort();
    }
    assert.equal(types.at(-1), 'BOOKMARK');
    assert.ok(types.slice(0, -1).every((type) => type === 'ADDED'));
  });
});

describe('an API server that ends', () => {
  it('ends its watches in good order and answers what it began', async () => {
    const world = await World.start();
    const start = (await world.call('GET', maps)).body.metadata.resourceVersion;
    const watching = world.call('GET', `${maps}?watch=1&resourceVersion=${start}`);
    await world.call('POST', maps, configMap('seen'));
    await world[Symbol.asyncDispose]();
    const events = (await watching).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ object }) => object.metadata.name),
      ['seen'],
    );
    await assert.rejects(world.call('GET', '/livez'));
  });
});

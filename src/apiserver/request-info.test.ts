import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Query } from './query.ts';
import { parseRequestInfo, RequestInfoError } from './request-info.ts';

function parse(method: string, path: string, query = '') {
  const { verb, group, version, resource, subresource, namespace, name, isResource } = parseRequestInfo(
    method,
    path,
    Query.parse(query),
  );
  return isResource ? [verb, `${group}/${version}`, namespace, resource, name, subresource] : [verb];
}

describe('request info', () => {
  it('tells resource requests by their path and verb', () => {
    const table: readonly (readonly [string, string, string, readonly string[]])[] = [
      ['GET', '/api/v1/pods', '', ['list', '/v1', '', 'pods', '', '']],
      ['GET', '/api/v1/namespaces/a/pods', 'watch=1', ['watch', '/v1', 'a', 'pods', '', '']],
      ['GET', '/api/v1/namespaces/a/pods/p', '', ['get', '/v1', 'a', 'pods', 'p', '']],
      ['GET', '/api/v1/namespaces/a/pods/p/log', '', ['get', '/v1', 'a', 'pods', 'p', 'log']],
      ['GET', '/api/v1/namespaces/a', '', ['get', '/v1', 'a', 'namespaces', 'a', '']],
      ['PUT', '/api/v1/namespaces/a/finalize', '', ['update', '/v1', 'a', 'namespaces', 'a', 'finalize']],
      ['POST', '/apis/apps/v1/namespaces/a/deployments', '', ['create', 'apps/v1', 'a', 'deployments', '', '']],
      [
        'DELETE',
        '/apis/apps/v1/namespaces/a/deployments/',
        '',
        ['deletecollection', 'apps/v1', 'a', 'deployments', '', ''],
      ],
      ['PATCH', '/api/v1/nodes/n/status', '', ['patch', '/v1', '', 'nodes', 'n', 'status']],
      ['GET', '/api/v1/watch/namespaces/a/pods', '', ['watch', '/v1', 'a', 'pods', '', '']],
      ['GET', '/api/v1/nodes/n/proxy/a/b', '', ['get', '/v1', '', 'nodes', 'n', 'proxy/a/b']],
      ['GET', '/api/v1/namespaces/a/configmaps/x%2Fy', '', ['get', '/v1', 'a', 'configmaps', 'x', 'y']],
    ];
    for (const [method, path, query, expected] of table) assert.deepEqual(parse(method, path, query), expected, path);
  });

  it('leaves all other paths alone', () => {
    for (const path of ['/', '/version', '/api', '/api/v1', '/apis', '/apis/apps', '/apis/apps/v1', '/healthz/ping']) {
      assert.deepEqual(parse('GET', path), ['get'], path);
    }
  });

  it('refuses an old watch path without a resource', () => {
    assert.throws(() => parse('GET', '/api/v1/watch'), RequestInfoError);
  });
});

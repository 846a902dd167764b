import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { systemClock } from '../../core/clock.ts';
import { isObject } from '../../core/json.ts';
import { clusterrolebindings, serviceaccounts } from '../../kube/resources.gen.ts';
import { createNodeAccess } from './access.ts';

/** As much of a request as access looks at. */
const asking = (url: string, authorization?: string) =>
  ({ method: 'GET', url, headers: { authorization }, socket: {} }) as unknown as IncomingMessage;

test('a bearer token may ask what its roles allow of the node, and nobody else anything', async () => {
  await using server = await startSecuredServer();
  await server.namespace('shop');
  const key = { namespace: 'shop', name: 'default' };
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [], expirationSeconds: 3600 },
  };
  const answer = await server.client.createSubresource(serviceaccounts, key, 'token', body);
  assert.ok(isObject(answer) && isObject(answer.status));
  const authorization = `Bearer ${String(answer.status.token)}`;
  const access = createNodeAccess(server.client, 'n1', systemClock);
  await assert.rejects(access.check(asking('/pods')), { status: 401 });
  await assert.rejects(access.check(asking('/pods', 'Bearer nonsense')), { status: 401 });
  await assert.rejects(access.check(asking('/metrics/resource', authorization)), {
    status: 403,
    message: 'Forbidden (user=system:serviceaccount:shop:default, verb=get, resource=nodes, subresource(s)=[metrics])',
  });
  await server.client.create(clusterrolebindings, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'shop-kubelets' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
    subjects: [{ kind: 'ServiceAccount', ...key }],
  });
  // Answers are kept for a while, so another node's is asked.
  const later = createNodeAccess(server.client, 'n2', systemClock);
  await later.check(asking('/metrics/resource', authorization));
  await later.check(asking('/containerLogs/a/b/c', authorization));
});

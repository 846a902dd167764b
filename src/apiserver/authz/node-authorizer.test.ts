import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryReader } from '../../../test/testbed/memory-reader.ts';
import { fc } from '../../../tools/property.ts';
import { persistentvolumes, pods } from '../../kube/resources.gen.ts';
import type { AuthorizationAttributes } from '../request.ts';
import { attributesOf } from './attributes.ts';
import { Authorization } from './authorization.ts';
import { refusal } from './refusal.ts';

const nodeUser = (node: string) => ({ name: `system:node:${node}`, groups: ['system:nodes', 'system:authenticated'] });

function ask(node: string, over: Partial<AuthorizationAttributes>): AuthorizationAttributes {
  const target = { group: '', version: 'v1', resource: 'secrets', subresource: '', namespace: 'n', name: '' };
  return { user: nodeUser(node), verb: 'get', isResource: true, path: '', ...target, ...over };
}

interface PodPlan {
  readonly name: string;
  readonly node: string;
  readonly secret: string;
  readonly claim: string;
  readonly isDone: boolean;
}
interface VolumePlan {
  readonly name: string;
  readonly claim: string;
  readonly secret: string;
}

const podPlan = fc.record({
  name: fc.constantFrom('p', 'q', 'r'),
  node: fc.constantFrom('', 'a', 'b'),
  secret: fc.constantFrom('s', 't'),
  claim: fc.constantFrom('c', 'd'),
  isDone: fc.boolean(),
});
const volumePlan = fc.record({
  name: fc.constantFrom('v', 'w'),
  claim: fc.constantFrom('c', 'd'),
  secret: fc.constantFrom('x', 'y'),
});
const step = fc.oneof(
  podPlan.map((pod) => ({ pod })),
  volumePlan.map((volume) => ({ volume })),
  fc.constantFrom('p', 'q', 'r').map((removedPod) => ({ removedPod })),
  fc.constantFrom('v', 'w').map((removedVolume) => ({ removedVolume })),
);

test('after any history a node reaches what its running pods use, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const reader = new MemoryReader();
      using authorization = new Authorization(reader);
      const podsNow = new Map<string, PodPlan>();
      const volumesNow = new Map<string, VolumePlan>();
      for (const one of steps) {
        if ('pod' in one) {
          const { name, node, secret, claim, isDone } = one.pod;
          podsNow.set(name, one.pod);
          const volumes = [
            { name: 's', secret: { secretName: secret } },
            { name: 'c', persistentVolumeClaim: { claimName: claim } },
          ];
          const spec = { containers: [], volumes, ...(node !== '' && { nodeName: node }) };
          reader.put(pods, {
            metadata: { namespace: 'n', name },
            spec,
            status: { phase: isDone ? 'Succeeded' : 'Running' },
          });
        } else if ('volume' in one) {
          const { name, claim, secret } = one.volume;
          volumesNow.set(name, one.volume);
          const csi = { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { namespace: 'n', name: secret } };
          reader.put(persistentvolumes, {
            metadata: { name },
            spec: { claimRef: { namespace: 'n', name: claim }, csi },
          });
        } else if ('removedPod' in one) {
          podsNow.delete(one.removedPod);
          reader.remove(pods, { namespace: 'n', name: one.removedPod });
        } else {
          volumesNow.delete(one.removedVolume);
          reader.remove(persistentvolumes, { name: one.removedVolume });
        }
      }
      for (const node of ['a', 'b']) {
        const running = [...podsNow.values()].filter((pod) => pod.node === node && !pod.isDone);
        const bound = [...volumesNow.values()].filter((volume) => running.some((pod) => pod.claim === volume.claim));
        const used = new Set([...running.map((pod) => pod.secret), ...bound.map((volume) => volume.secret)]);
        for (const name of ['s', 't', 'x', 'y']) {
          assert.equal(authorization.decide(ask(node, { name })).allowed, used.has(name), `${node} ${name}`);
        }
        for (const name of ['v', 'w']) {
          const target = { resource: 'persistentvolumes', namespace: '', name };
          assert.equal(
            authorization.decide(ask(node, target)).allowed,
            bound.some((volume) => volume.name === name),
          );
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('a node reads itself, and its own pods by field selector', () => {
  using authorization = new Authorization(new MemoryReader());
  const allowed = (over: Partial<AuthorizationAttributes>) => authorization.decide(ask('a', over)).allowed;
  assert.ok(allowed({ resource: 'nodes', namespace: '', name: 'a' }));
  assert.ok(!allowed({ resource: 'nodes', namespace: '', name: 'b' }));
  assert.ok(allowed({ resource: 'pods', verb: 'list', namespace: '', fieldSelector: 'spec.nodeName=a' }));
  assert.ok(!allowed({ resource: 'pods', verb: 'list', namespace: '', fieldSelector: 'spec.nodeName!=a' }));
  assert.ok(!allowed({ resource: 'pods', verb: 'list', namespace: '', fieldSelector: 'spec.nodeName=b' }));
  assert.ok(!allowed({ resource: 'pods', verb: 'list', namespace: '' }));
});

test('a user without the group is no node; one with a strange name is told', () => {
  using authorization = new Authorization(new MemoryReader());
  const target = { resource: 'nodes', namespace: '', name: 'a' };
  assert.equal(
    authorization.decide(ask('a', { ...target, user: { name: 'system:node:a', groups: [] } })).allowed,
    false,
  );
  assert.equal(authorization.decide(ask('', target)).reason, 'unknown node for user "system:node:"');
});

test('a refusal says who, what and where, in Kubernetes words', () => {
  const info = {
    verb: 'list',
    path: '',
    isResource: true,
    group: 'apps',
    version: 'v1',
    resource: 'deployments',
    subresource: '',
    namespace: 'y',
    name: '',
  };
  const attributes = attributesOf({ name: 'x', groups: [] }, info);
  const text =
    'deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" in the namespace "y"';
  assert.equal(refusal(attributes, '').message, text);
  const path = { ...info, isResource: false, verb: 'get', path: '/metrics', resource: '', group: '' };
  assert.equal(
    refusal(attributesOf({ name: 'x', groups: [] }, path), 'why').message,
    'forbidden: User "x" cannot get path "/metrics": why',
  );
});

test('a list of one object by field selector is asked as that object', () => {
  const info = {
    verb: 'list',
    path: '',
    isResource: true,
    group: '',
    version: 'v1',
    resource: 'secrets',
    subresource: '',
    namespace: 'n',
    name: '',
  };
  const user = { name: 'x', groups: [] };
  assert.equal(attributesOf(user, info, { fieldSelector: 'metadata.name=s' }).name, 's');
  assert.equal(attributesOf(user, info, { fieldSelector: 'metadata.name!=s' }).name, '');
  assert.equal(attributesOf(user, { ...info, verb: 'create' }, { fieldSelector: 'metadata.name=s' }).name, '');
  assert.equal(attributesOf(user, { ...info, subresource: 'proxy/a/b' }).subresource, 'proxy');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../kube/types.gen.ts';
import { annotations, ordinaryContainers } from './identity.ts';
import { planResizes, resizeRestarts, resourcesKey } from './resize.ts';
import type { RuntimePod } from './runtime-pod.ts';

const gibibyte = 1024 ** 3;
const pod = (memory: string, more: Partial<Container> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { uid: 'u' },
  spec: { containers: [{ name: 'main', resources: { limits: { memory, cpu: '1' } }, ...more }] },
});
function runtime(made: Pod): RuntimePod {
  const [spec] = ordinaryContainers(made);
  assert(spec);
  const instance = {
    id: 'c1',
    name: 'main',
    sandboxId: 's',
    state: 'running',
    createdAt: 1,
    startedAt: 1,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    image: '',
    imageRef: '',
    logPath: '',
    restartCount: 0,
    annotations: { [annotations.resources]: resourcesKey(made, spec, gibibyte) },
  } as const;
  return { uid: 'u', name: 'p', namespace: 'n', sandboxes: [], containers: [instance] };
}

test('a container is resized once, when its spec asks for other resources than it has', () => {
  const applied = new Map<string, string>();
  assert.deepEqual(planResizes(pod('64Mi'), runtime(pod('64Mi')), applied, gibibyte), []);
  const [resize] = planResizes(pod('96Mi'), runtime(pod('64Mi')), applied, gibibyte);
  assert(resize);
  applied.set('c1', resize.wanted);
  assert.deepEqual(planResizes(pod('96Mi'), runtime(pod('64Mi')), applied, gibibyte), []);
  assert.equal(planResizes(pod('64Mi'), runtime(pod('64Mi')), applied, gibibyte).length, 1);
});

test('resizePolicy decides whether the container starts anew', () => {
  const restarts = (resourceName: string) => {
    const wanted = pod('96Mi', { resizePolicy: [{ resourceName, restartPolicy: 'RestartContainer' }] });
    return planResizes(wanted, runtime(pod('64Mi')), new Map(), gibibyte).map((item) =>
      resizeRestarts(item, new Map()),
    );
  };
  assert.deepEqual(restarts('memory'), [true]);
  assert.deepEqual(restarts('cpu'), [false]);
});

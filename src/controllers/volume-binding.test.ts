import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../kube/types.gen.ts';
import { type ClaimWorld, findVolume, planClaim, planVolume } from './volume-binding.ts';

interface ClaimOptions {
  readonly size?: string;
  readonly className?: string;
  readonly volumeName?: string;
  readonly annotations?: Record<string, string>;
  readonly modes?: readonly string[];
}

function claim({
  size = '1Gi',
  className = '',
  volumeName,
  annotations = {},
  modes = ['ReadWriteOnce'],
}: ClaimOptions = {}): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'n', uid: 'c-uid', annotations },
    spec: {
      accessModes: modes,
      storageClassName: className,
      resources: { requests: { storage: size } },
      ...(volumeName === undefined ? {} : { volumeName }),
    },
  };
}

type VolumeSpec = NonNullable<PersistentVolume['spec']>;

function volume(name: string, storage: string, spec: Partial<VolumeSpec> = {}, phase = 'Available'): PersistentVolume {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: {} },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage }, ...spec },
    status: { phase },
  };
}

const waitingClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local' },
  provisioner: 'rancher.io/local-path',
  volumeBindingMode: 'WaitForFirstConsumer',
};
const mine = { name: 'c', namespace: 'n', uid: 'c-uid' };
const world = (given: Partial<ClaimWorld> = {}): ClaimWorld => ({
  volumes: [],
  classes: [waitingClass],
  unscheduledPods: [],
  ...given,
});

test('the smallest volume that fits is taken', () => {
  const volumes = [
    volume('big', '10Gi'),
    volume('small', '512Mi'),
    volume('fit', '2Gi'),
    volume('used', '1Gi', {}, 'Bound'),
  ];
  assert.equal(findVolume(claim(), volumes, false)?.metadata.name, 'fit');
  assert.equal(findVolume(claim({ size: '20Gi' }), volumes, false), undefined);
  assert.equal(findVolume(claim({ modes: ['ReadWriteMany'] }), volumes, false), undefined);
  assert.equal(findVolume(claim({ className: 'other' }), volumes, false), undefined);
});

test('a volume that names the claim is taken before all others, also where binding waits', () => {
  const reserved = volume('reserved', '10Gi', { claimRef: { name: 'c', namespace: 'n' } });
  assert.equal(findVolume(claim(), [volume('fit', '1Gi'), reserved], false), reserved);
  assert.equal(findVolume(claim(), [volume('fit', '1Gi'), reserved], true), reserved);
  const foreign = volume('foreign', '10Gi', { claimRef: { name: 'c', namespace: 'n', uid: 'former' } });
  assert.equal(findVolume(claim(), [foreign], true), undefined);
});

test('a claim waits, and says for what', () => {
  const reasonOf = (plan: ReturnType<typeof planClaim>) =>
    'note' in plan ? `${plan.note?.reason}: ${plan.note?.message}` : plan.action;
  const local = claim({ className: 'local' });
  assert.equal(
    reasonOf(planClaim(local, world())),
    'WaitForFirstConsumer: waiting for first consumer to be created before binding',
  );
  assert.equal(
    reasonOf(planClaim(local, world({ unscheduledPods: ['b', 'a'] }))),
    'WaitForPodScheduled: waiting for pods a,b to be scheduled',
  );
  assert.equal(
    reasonOf(planClaim(claim(), world())),
    'FailedBinding: no persistent volumes available for this claim and no storage class is set',
  );
  assert.equal(
    reasonOf(planClaim(claim({ className: 'gone' }), world())),
    'ProvisioningFailed: storageclass.storage.k8s.io "gone" not found',
  );
  const small = claim({ volumeName: 'v', size: '5Gi' });
  assert.equal(
    reasonOf(planClaim(small, world({ volumes: [volume('v', '1Gi')] }))),
    'VolumeMismatch: Cannot bind to requested volume "v": requested PV is too small',
  );
});

test('once a node is chosen the provisioner is asked', () => {
  const chosen = claim({ className: 'local', annotations: { 'volume.kubernetes.io/selected-node': 'node' } });
  const plan = planClaim(chosen, world());
  assert.equal(plan.action, 'provision');
  assert.equal(plan.action === 'provision' && plan.provisioner, 'rancher.io/local-path');
});

test('a claim that was bound and has no volume any more is lost', () => {
  const annotations = { 'pv.kubernetes.io/bind-completed': 'yes' };
  assert.equal(planClaim(claim({ annotations, volumeName: 'v' }), world()).action, 'lost');
  const other = volume('v', '1Gi', { claimRef: { ...mine, uid: 'other' } }, 'Bound');
  const plan = planClaim(claim({ annotations, volumeName: 'v' }), world({ volumes: [other] }));
  assert.equal(plan.action === 'lost' && plan.note.reason, 'ClaimMisbound');
});

test('a volume follows its claim', () => {
  const bound = volume('v', '1Gi', { claimRef: mine }, 'Bound');
  assert.deepEqual(planVolume(volume('v', '1Gi'), undefined), { action: 'phase', phase: 'Available' });
  assert.deepEqual(planVolume(bound, claim({ volumeName: 'v' })), { action: 'phase', phase: 'Bound' });
  assert.deepEqual(planVolume(bound, claim()), { action: 'sync-claim' });
  assert.deepEqual(planVolume(bound, claim({ volumeName: 'other' })), { action: 'unbind' });
  assert.deepEqual(planVolume(bound, undefined), { action: 'phase', phase: 'Released' });
  const released = volume('v', '1Gi', { claimRef: mine, persistentVolumeReclaimPolicy: 'Delete' }, 'Released');
  assert.equal(planVolume(released, undefined).action, 'failed');
  const provisioned = { ...released, metadata: { name: 'v', annotations: { 'pv.kubernetes.io/provisioned-by': 'x' } } };
  assert.deepEqual(planVolume(provisioned, undefined), { action: 'none' });
});

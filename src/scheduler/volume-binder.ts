import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import { claimKeysOf } from '../kube/pod-claims.ts';
import { persistentvolumeclaims, persistentvolumes } from '../kube/resources.gen.ts';
import type { PersistentVolumeClaim, Pod } from '../kube/types.gen.ts';
import { selectedNodeAnnotation } from '../kube/volume-annotations.ts';
import type { VolumePlan } from './plugins/volumes.ts';
import type { ClusterState } from './state.ts';

/** How long a pod waits for its volumes before it is scheduled anew: kube-scheduler's bindTimeoutSeconds. */
const bindTimeoutMs = 600_000;

/** Writes the plan into the API and waits until every claim of the pod is bound. Throws TransientError when that can't be. */
export async function bindVolumes(
  pod: Pod,
  nodeName: string,
  plan: VolumePlan,
  edge: { readonly client: Client; readonly clock: Clock; readonly state: ClusterState; readonly signal: AbortSignal },
): Promise<void> {
  if (plan.bind.length === 0 && plan.provision.length === 0) return;
  for (const { claim, volume } of plan.bind) {
    await edge.client.update(persistentvolumes, {
      ...volume,
      metadata: {
        ...volume.metadata,
        annotations: { ...volume.metadata.annotations, 'pv.kubernetes.io/bound-by-controller': 'yes' },
      },
      spec: { ...volume.spec, claimRef: referenceTo(claim) },
    });
  }
  for (const claim of plan.provision) {
    await edge.client.patch(
      persistentvolumeclaims,
      { namespace: claim.metadata.namespace ?? '', name: claim.metadata.name ?? '' },
      {
        type: 'merge',
        body: {
          metadata: {
            resourceVersion: claim.metadata.resourceVersion,
            annotations: { [selectedNodeAnnotation]: nodeName },
          },
        },
      },
    );
  }
  await allBound(pod, nodeName, plan, edge);
}

function referenceTo(claim: PersistentVolumeClaim) {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = claim.metadata;
  return { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
}

function allBound(
  pod: Pod,
  nodeName: string,
  plan: VolumePlan,
  edge: { readonly clock: Clock; readonly state: ClusterState; readonly signal: AbortSignal },
): Promise<void> {
  const { claims } = edge.state.informers;
  const keys = claimKeysOf(pod);
  const provisioned = new Map(
    plan.provision.map((claim) => [`${claim.metadata.namespace}/${claim.metadata.name}`, claim]),
  );
  return new Promise((resolve, reject) => {
    let settled = false;
    const end = (error?: unknown) => {
      settled = true;
      timer[Symbol.dispose]();
      edge.signal.removeEventListener('abort', onAbort);
      // The subscription may still be under construction when the first look already decides.
      queueMicrotask(() => subscription[Symbol.dispose]());
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = () => {
      if (settled) return;
      let waiting = 0;
      for (const key of keys) {
        const claim = claims.get(key);
        if (claim === undefined)
          return end(new TransientError('CLAIM_GONE', `persistentvolumeclaim ${key} was deleted`));
        if (claim.status?.phase === 'Bound') continue;
        waiting++;
        // The provisioner takes the node's name off a claim that it can't serve there.
        const seen = claim.metadata.resourceVersion !== provisioned.get(key)?.metadata.resourceVersion;
        if (provisioned.has(key) && seen && claim.metadata.annotations?.[selectedNodeAnnotation] !== nodeName) {
          return end(new TransientError('PROVISIONING_REFUSED', `provisioning of ${key} on ${nodeName} failed`));
        }
      }
      if (waiting === 0) end();
    };
    const onAbort = () => end(edge.signal.reason);
    const timer = edge.clock.after(bindTimeoutMs, () =>
      end(new TransientError('BIND_TIMEOUT', 'binding volumes: timed out waiting for the condition')),
    );
    edge.signal.addEventListener('abort', onAbort, { once: true });
    const subscription = claims.subscribe(({ key }) => {
      if (keys.includes(key)) look();
    });
    look();
  });
}

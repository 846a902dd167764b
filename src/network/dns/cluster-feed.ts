import { endpointslices, namespaces, services } from '../../kube/resources.gen.ts';
import type { Informers } from '../../runtime/controller.ts';
import { slicesByService } from '../slice-index.ts';
import type { Order, ServiceName } from './protocol.ts';
import { type ServiceRecords, serviceRecords } from './service-records.ts';

/** Services in one message: an order that is copied must not hold up this thread. */
const servicesOfOrderMax = 200;

export interface ClusterFeed extends Disposable {
  /** Services and endpoints are in. */
  readonly synced: Promise<void>;
  readonly namespacesSynced: Promise<void>;
  /** Says everything, to somebody who knows nothing. */
  tellAll(): void;
}

/** Follows Services, their endpoints and namespaces, and says what changed, together what changes together. */
export function followCluster(informers: Informers, say: (order: Order) => void): ClusterFeed {
  const byService = informers.of(services);
  const bySlice = informers.of(endpointslices, { indexes: slicesByService });
  const byNamespace = informers.of(namespaces);
  const changed = new Set<string>();
  let isTold = false;
  let scheduled: NodeJS.Immediate | undefined;

  const flush = () => {
    scheduled = undefined;
    const set: ServiceRecords[] = [];
    const removed: ServiceName[] = [];
    for (const key of changed) {
      const service = byService.get(key);
      if (service !== undefined) set.push(serviceRecords(service, bySlice.byIndex('network-service', key)));
      else {
        const [namespace = '', name = ''] = key.split('/');
        removed.push({ namespace, name });
      }
      if (set.length < servicesOfOrderMax) continue;
      say({ kind: 'services', set: set.splice(0), removed: [] });
    }
    changed.clear();
    if (set.length + removed.length > 0) say({ kind: 'services', set, removed });
  };
  const change = (key: string) => {
    if (!isTold) return;
    changed.add(key);
    scheduled ??= setImmediate(flush);
  };
  const subscriptions = [
    byService.subscribe(({ key }) => change(key)),
    bySlice.subscribe(({ old, current }) => {
      for (const slice of [old, current]) {
        if (slice === undefined) continue;
        for (const key of slicesByService['network-service'](slice)) change(key);
      }
    }),
    byNamespace.subscribe(({ key, old, current }) => {
      if (!isTold || (old === undefined) === (current === undefined)) return;
      say({
        kind: 'namespaces',
        added: current === undefined ? [] : [key],
        removed: current === undefined ? [key] : [],
      });
    }),
  ];
  return {
    synced: Promise.all([byService.synced, bySlice.synced]).then(() => {}),
    namespacesSynced: byNamespace.synced,
    tellAll() {
      isTold = true;
      say({ kind: 'namespaces', added: byNamespace.list().map(({ metadata }) => metadata.name ?? ''), removed: [] });
      for (const { metadata } of byService.list()) changed.add(`${metadata.namespace}/${metadata.name}`);
      flush();
    },
    [Symbol.dispose]() {
      clearImmediate(scheduled);
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
    },
  };
}

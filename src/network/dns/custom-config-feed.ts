import { configmaps } from '../../kube/resources.gen.ts';
import type { ConfigMap } from '../../kube/types.gen.ts';
import type { EventRecorder, Informers } from '../../runtime/controller.ts';
import { CorefileError } from './corefile.ts';
import { type CustomPart, parseCustomKey } from './custom-config.ts';
import { type HostLine, parseHosts } from './hosts.ts';

const namespace = 'kube-system';
/** k3s' names: what the cluster writes, and what users add. */
const ownName = 'coredns';
const customName = 'coredns-custom';
/** The key of the cluster's own that holds what its nodes are called. */
export const nodeHostsKey = 'NodeHosts';

export interface CustomConfig {
  readonly parts: readonly CustomPart[];
  readonly nodeHosts: readonly HostLine[];
}

export const noCustomConfig: CustomConfig = { parts: [], nodeHosts: [] };

export interface CustomConfigFeed extends Disposable {
  readonly synced: Promise<void>;
  readonly current: CustomConfig;
}

/**
 * Follows both ConfigMaps. A key that can't be used becomes an Event on its ConfigMap; what it said before it was spoiled
 * stays in force, and so do the other keys.
 */
export function followCustomConfig(informers: Informers, events: EventRecorder, changed: () => void): CustomConfigFeed {
  const follow = (name: string) => informers.of(configmaps, { namespace, fieldSelector: `metadata.name=${name}` });
  const own = follow(ownName);
  const custom = follow(customName);
  const lastGood = new Map<string, CustomPart>();
  let nodeHosts: readonly HostLine[] = [];

  const readCustom = (map: ConfigMap | undefined) => {
    const data = map?.data ?? {};
    for (const key of lastGood.keys()) if (data[key] === undefined) lastGood.delete(key);
    for (const [key, source] of Object.entries(data)) {
      try {
        const part = parseCustomKey(key, source);
        if (part !== null) lastGood.set(key, part);
      } catch (error) {
        if (!(error instanceof CorefileError) || map === undefined) throw error;
        const stays = lastGood.has(key) ? 'what it said before stays in force' : 'it is left out';
        events.event(map, 'Warning', 'InvalidCorefile', `${key}, ${error.message}; ${stays}`);
      }
    }
  };
  const readOwn = (map: ConfigMap | undefined) => {
    const { lines, malformed } = parseHosts(map?.data?.[nodeHostsKey] ?? '');
    nodeHosts = lines;
    if (map !== undefined && malformed.length > 0) {
      const [first = ''] = malformed;
      events.event(
        map,
        'Warning',
        'InvalidHosts',
        `${nodeHostsKey}: ${JSON.stringify(first)} is not an address with names; the line is left out`,
      );
    }
  };
  const subscriptions = [
    custom.subscribe(({ current }) => {
      readCustom(current);
      changed();
    }),
    own.subscribe(({ current }) => {
      readOwn(current);
      changed();
    }),
  ];
  return {
    synced: Promise.all([own.synced, custom.synced]).then(() => {}),
    get current() {
      const keys = [...lastGood.keys()].sort();
      return { parts: keys.map((key) => lastGood.get(key)).filter((part) => part !== undefined), nodeHosts };
    },
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
    },
  };
}

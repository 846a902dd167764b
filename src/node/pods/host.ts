import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { PodCgroups } from '../../engines/cgroups/pod-cgroups.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { BackoffTable } from '../backoff-table.ts';
import type { EnvironmentResolver } from '../environment-resolver.ts';
import type { HookRunner } from '../hook-runner.ts';
import type { ImagePuller } from '../images/puller.ts';
import type { NodeAdmission } from '../node-admission.ts';
import type { PodEvents } from '../pod-events.ts';
import type { ProbeRunner } from '../probe-runner.ts';
import type { Turns } from '../turns.ts';
import type { VolumeSet } from '../volume-set.ts';
import type { NodeSettings } from './config.ts';
import type { LogLinks } from './log-links.ts';
import type { PodObserver } from './observe.ts';
import type { PodFiles } from './pod-files.ts';

/**
 * Lets a pod take part in the network with the addresses that its sandbox has got; resolves when what it may do there is in
 * force. Called before its containers start, and again, with the same, before later ones do.
 */
export type NetworkAdmission = (pod: Pod, addresses: readonly string[], signal: AbortSignal) => Promise<void>;

/** All that the life of a pod on this node needs. Shared by all pod workers. */
export interface PodHost {
  readonly cri: Cri;
  /** E.g. `containerd`: the scheme of container ids in statuses. */
  readonly runtimeName: string;
  readonly observer: PodObserver;
  readonly client: Client;
  readonly events: PodEvents;
  readonly cgroups: PodCgroups;
  readonly volumes: VolumeSet;
  readonly environment: EnvironmentResolver;
  readonly probes: ProbeRunner;
  readonly hooks: HookRunner;
  readonly images: ImagePuller;
  readonly files: PodFiles;
  /** Null where logs lie in a folder of the cluster's own. */
  readonly logLinks: LogLinks | null;
  /** Of crashing containers, by `containerKey`. */
  readonly crashes: BackoffTable;
  /**
   * The heavy steps of pods' starts, one for each processor and one more: pods that start together then come to run one
   * after the other, in the order in which they came, instead of all late.
   */
  readonly turns: Turns;
  readonly admission: NodeAdmission;
  readonly admitToNetwork: NetworkAdmission;
  readonly settings: NodeSettings;
  readonly hostIPs: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

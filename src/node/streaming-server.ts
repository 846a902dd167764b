import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Pod } from '../kube/types.gen.ts';

/** What the streaming server asks the agent: a pod of this node and where its containers stand in the runtime. */
export interface PodDirectory {
  /** The pods that this node runs, as it last saw them, with the status that it computed. */
  pods(): readonly Pod[];
  find(namespace: string, name: string, uid?: string): Pod | undefined;
  /** The newest instance of a container (init, ephemeral and ordinary ones), running or not. */
  container(podUid: string, containerName: string): DirectoryContainer | undefined;
  /** The instance before the newest one, for `logs --previous`. */
  previousContainer(podUid: string, containerName: string): DirectoryContainer | undefined;
  /** The id of the pod's ready sandbox, for port-forward. */
  sandboxId(podUid: string): string | undefined;
}

export interface DirectoryContainer {
  readonly containerId: string;
  readonly running: boolean;
  /** Where the runtime writes its log (CRI format); rotated files are beside it as `<path>.<timestamp>`. */
  readonly logPath: string;
}

/**
 * The kubelet's HTTP API: /containerLogs, /exec, /attach, /portForward, /run, /pods, /runningpods, /stats/summary, /metrics, /healthz. Both
 * return false when the path is not theirs. Authentication happens before (the server that listens asks the API server).
 */
export interface StreamingServer extends AsyncDisposable {
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
}

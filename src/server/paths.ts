import path from 'node:path';

/** Where one cluster keeps its things on this machine: everything lies below the data directory, but for pod logs. */
export interface Paths {
  readonly dataDir: string;
  /** Datastore. */
  readonly db: string;
  /** Certificates and keys. */
  readonly tls: string;
  /** Unix socket on which `up`, `down`, `status` and `logs` speak to the running server. */
  readonly controlSocket: string;
  readonly logFile: string;
  readonly agent: string;
  /** Image archives that are imported at start and when they appear. */
  readonly images: string;
  readonly containerd: string;
  readonly pods: string;
  readonly podLogs: string;
  /** HAProxy's configuration, certificates and log. */
  readonly ingress: string;
  readonly cniConfig: string;
  readonly nodeToken: string;
}

export function pathsOf(dataDir: string): Paths {
  const at = (...parts: string[]) => path.join(path.resolve(dataDir), ...parts);
  return {
    dataDir: at(),
    db: at('server', 'db'),
    tls: at('server', 'tls'),
    controlSocket: at('wherry.sock'),
    logFile: at('wherry.log'),
    agent: at('agent'),
    images: at('agent', 'images'),
    containerd: at('agent', 'containerd'),
    pods: at('agent', 'pods'),
    podLogs: at('agent', 'pod-logs'),
    ingress: at('agent', 'ingress'),
    cniConfig: at('agent', 'etc', 'cni', 'net.d'),
    nodeToken: at('server', 'token'),
  };
}

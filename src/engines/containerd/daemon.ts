import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { TerminalError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createDaemon, replaceFile } from '../process/daemon.ts';
import { type ContainerdOptions, compileConfig } from './config.ts';
import { connectCri } from './cri.ts';
import { compileHosts, type Registries } from './registries.ts';

export interface ContainerdDaemonOptions {
  readonly containerd: ContainerdOptions;
  readonly registries: Registries;
  /** Holds config.toml, the pid file and the log. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A containerd of our own. It runs detached, so that it and its containers outlive this process; the next start finds
 * it by its pid file and goes on with it, and starts it anew only when its configuration changed.
 */
export interface ContainerdDaemon {
  readonly address: string;
  /** Resolves when the runtime answers; from then on a containerd that dies is started again. Throws with the end of its log when it won't run. */
  start(): Promise<void>;
  /** Ends the supervision and leaves containerd running. */
  release(): Promise<void>;
  /** Ends the supervision and containerd itself; the containers' shims go on until their pods are stopped. */
  stop(): Promise<void>;
}

/** Milliseconds that containerd gets to answer after its start: a big image store is opened slowly on small machines. */
const startTimeoutMs = 60_000;
const stopTimeoutMs = 10_000;
/** The kernel's bound on the path of a unix socket (unix(7)), without the final zero. */
const socketPathBytesMax = 107;

export function createContainerdDaemon(options: ContainerdDaemonOptions): ContainerdDaemon {
  const { containerd, folder, clock, log } = options;
  const configPath = join(folder, 'config.toml');
  const daemon = createDaemon({
    program: 'containerd',
    args: ['--config', configPath],
    mark: configPath,
    folder,
    hint: 'install containerd (Debian, Ubuntu: apt-get install containerd runc)',
    // A socket that a dead containerd left would be taken for a living one.
    prepare: () => rm(containerd.address, { force: true }),
    ready: () => answers(containerd.address),
    errorLine: /level=(error|fatal)|^containerd:/,
    ...{ startTimeoutMs, stopTimeoutMs, clock, log },
  });
  return {
    address: containerd.address,
    async start() {
      if (Buffer.byteLength(containerd.address) > socketPathBytesMax)
        throw new TerminalError('SOCKET_PATH_TOO_LONG', `the socket's path ${containerd.address} is too long`, {
          hint: 'choose a shorter --data-dir',
        });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await mkdir(dirname(containerd.address), { recursive: true, mode: 0o711 });
      await mkdir(containerd.state, { recursive: true, mode: 0o711 });
      await mkdir(containerd.cniConfigFolder, { recursive: true, mode: 0o755 });
      await writeHosts(containerd.registryHostsFolder, options.registries);
      const isChanged = await replaceFile(configPath, compileConfig(containerd));
      await daemon.start({ anew: isChanged });
    },
    release: () => daemon.release(),
    stop: () => daemon.stop(),
  };
}

async function answers(address: string): Promise<void> {
  const cri = connectCri(address);
  try {
    await cri.version({ version: 'v1' }, { timeoutMs: 2000 });
  } finally {
    cri.close();
  }
}

async function writeHosts(folder: string, registries: Registries): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [host, content] of compileHosts(registries)) {
    await mkdir(join(folder, host), { recursive: true });
    await writeFile(join(folder, host, 'hosts.toml'), content, { mode: 0o600 });
  }
}

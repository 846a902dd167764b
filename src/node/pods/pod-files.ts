import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../core/errors.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { podLogFolder } from './config.ts';
import { hostsFile } from './dns.ts';
import { annotations, podUid } from './identity.ts';
import type { ContainerInstance } from './runtime-pod.ts';

/** A termination message's bounds, bytes and lines: kubelet's. */
const messageBytesMax = 4096;
const logMessageBytesMax = 2048;
const logMessageLinesMax = 80;

export interface PodFilesOptions {
  /** Holds a folder a pod uid, e.g. `<data-dir>/agent/pods`. */
  readonly podsFolder: string;
  readonly logFolder: string;
  readonly clusterDomain: string;
}

/** The files that the agent itself keeps for a pod: /etc/hosts, termination messages, log folders. */
export interface PodFiles {
  /** Writes the pod's /etc/hosts and resolves with its path. */
  writeHosts(pod: Pod, podIPs: readonly string[]): Promise<string>;
  /** Makes an empty file for the termination message of one run of a container. */
  makeMessageFile(pod: Pod, containerName: string): Promise<string>;
  /** What a container that has ended left to say; empty when nothing. */
  terminationMessage(instance: ContainerInstance): Promise<string>;
  makeLogFolder(pod: Pod, containerName: string): Promise<void>;
  /** Removes the pod's own folder; volumes below it are VolumeSet's and must be gone. */
  remove(podUid: string): Promise<void>;
  removeLogs(pod: { readonly namespace: string; readonly name: string; readonly uid: string }): Promise<void>;
  podUids(): Promise<readonly string[]>;
}

export function createPodFiles(options: PodFilesOptions): PodFiles {
  const { podsFolder, logFolder, clusterDomain } = options;
  const messages = new Map<string, string>();

  async function readMessage(instance: ContainerInstance): Promise<string> {
    const file = instance.annotations[annotations.terminationMessageFile];
    const own = file === undefined ? '' : await readStart(file, messageBytesMax);
    if (own !== '') return own;
    const policy = instance.annotations[annotations.terminationMessagePolicy];
    if (policy !== 'FallbackToLogsOnError' || instance.exitCode === 0 || instance.logPath === '') return '';
    return lastLogLines(await readEnd(instance.logPath, 16 * logMessageBytesMax));
  }

  return {
    async writeHosts(pod, podIPs) {
      const folder = join(podsFolder, podUid(pod));
      await mkdir(folder, { recursive: true, mode: 0o750 });
      const path = join(folder, 'etc-hosts');
      const hostFile = pod.spec?.hostNetwork ? await readFile('/etc/hosts', 'utf8') : '';
      await writeFile(path, hostsFile(pod, podIPs, clusterDomain, hostFile), { mode: 0o644 });
      return path;
    },
    async makeMessageFile(pod, containerName) {
      const folder = join(podsFolder, podUid(pod), 'containers', containerName);
      await mkdir(folder, { recursive: true, mode: 0o750 });
      const path = join(folder, randomBytes(4).toString('hex'));
      await writeFile(path, '', { flag: 'wx' });
      // Any user of the container may write its last words (kubelet does the same).
      await chmod(path, 0o666);
      return path;
    },
    async terminationMessage(instance) {
      const known = messages.get(instance.id);
      if (known !== undefined) return known;
      const message = await readMessage(instance);
      messages.set(instance.id, message);
      // Bounded: the oldest are read again when they are asked for.
      if (messages.size > 1000) for (const id of [...messages.keys()].slice(0, 500)) messages.delete(id);
      return message;
    },
    async makeLogFolder(pod, containerName) {
      const { namespace = '', name = '' } = pod.metadata;
      await mkdir(join(podLogFolder(logFolder, { namespace, name, uid: podUid(pod) }), containerName), {
        recursive: true,
        mode: 0o755,
      });
    },
    remove: (uid) => rm(join(podsFolder, uid), { recursive: true, force: true }),
    removeLogs: (pod) => rm(podLogFolder(logFolder, pod), { recursive: true, force: true }),
    podUids: () =>
      readdir(podsFolder).catch((thrown: unknown) => {
        if (errorCode(thrown) === 'ENOENT') return [];
        throw thrown;
      }),
  };
}

async function readStart(path: string, bytes: number): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return '';
    throw thrown;
  }
}

async function readEnd(path: string, bytes: number): Promise<string> {
  try {
    const { size } = await stat(path);
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, Math.max(0, size - bytes));
    return buffer.toString('utf8', 0, bytesRead);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return '';
    throw thrown;
  }
}

/** The end of a CRI log without its line headers (`time stream tag text`). */
function lastLogLines(log: string): string {
  const lines = log.split('\n').filter((line) => /^\S+ (stdout|stderr) [FP] /.test(line));
  const text = lines
    .slice(-logMessageLinesMax)
    .map((line) => line.replace(/^\S+ \S+ (\S+) /, (_, tag: string) => (tag === 'P' ? '\0' : '')))
    .map((line) => (line.startsWith('\0') ? line.slice(1) : `${line}\n`))
    .join('');
  return Buffer.from(text).subarray(-logMessageBytesMax).toString('utf8');
}

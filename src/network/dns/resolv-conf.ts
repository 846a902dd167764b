import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode } from '../../core/errors.ts';
import type { ServerAddress } from './exchange.ts';
import { parseAddress } from './zone-data.ts';

/** Name servers that are used: as many as resolv.conf(5) knows. */
const serversMax = 3;
/** How often the file is looked at. Watching it would miss that a link leads elsewhere, as systemd-resolved's does. */
const lookMs = 2_000;

export const defaultResolvConf = '/etc/resolv.conf';
/** Where systemd-resolved tells the servers behind its own 127.0.0.53. */
const resolvedConf = '/run/systemd/resolve/resolv.conf';

/** The name servers of a resolv.conf(5), in their order, without those that are `own`. */
export function nameServers(text: string, own: readonly string[]): readonly ServerAddress[] {
  return text
    .split('\n')
    .map((line) => /^\s*nameserver\s+([^\s#;]+)/.exec(line)?.[1])
    .filter((host) => host !== undefined)
    .filter((host) => parseAddress(host) !== null && !own.includes(host))
    .slice(0, serversMax)
    .map((host) => ({ host, port: 53 }));
}

/** systemd-resolved's stub: it knows split domains and more, but answers on the loopback and may lead back here. */
export function isResolvedStub(servers: readonly ServerAddress[]): boolean {
  return servers.length > 0 && servers.every(({ host }) => host === '127.0.0.53' || host === '127.0.0.54');
}

export interface MachineServers {
  readonly servers: readonly ServerAddress[];
  /** Where they stand. */
  readonly file: string;
  /** Why there are none. */
  readonly problem?: string;
}

/** Reads the machine's name servers; a stub of systemd-resolved is replaced by what is behind it, as k3s does. */
export async function readNameServers(file: string, own: readonly string[]): Promise<MachineServers> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    return { servers: [], file, problem: `${file} can't be read: ${describeError(error)}` };
  }
  const servers = nameServers(text, own);
  if (isResolvedStub(servers) && file === defaultResolvConf) {
    const behind = await readFile(resolvedConf, 'utf8').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return '';
      throw error;
    });
    const real = nameServers(behind, own);
    if (real.length > 0) return { servers: real, file: resolvedConf };
  }
  return servers.length > 0 ? { servers, file } : { servers, file, problem: `${file} names no name server to ask` };
}

/** Calls `changed` with the machine's name servers, at once and whenever they have become others. */
export async function watchNameServers(
  options: { readonly file: string; readonly own: readonly string[]; readonly clock: Clock },
  changed: (servers: MachineServers) => void,
): Promise<Disposable> {
  const { file, own, clock } = options;
  let last = '';
  let stamp = '';
  let timer: Disposable | undefined;
  let isClosed = false;
  const look = async () => {
    const now = await stampOf([file, resolvedConf]);
    if (now === stamp) return;
    const found = await readNameServers(file, own);
    stamp = now;
    const text = JSON.stringify(found);
    if (text === last || isClosed) return;
    last = text;
    changed(found);
  };
  const again = () => {
    if (isClosed) return;
    timer = clock.after(
      lookMs,
      () =>
        void look()
          .catch(() => {})
          .finally(again),
    );
  };
  await look();
  again();
  return {
    [Symbol.dispose]() {
      isClosed = true;
      timer?.[Symbol.dispose]();
    },
  };
}

/** Changes with what the files hold, as far as the file system tells. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    files.map(async (file) => {
      try {
        const { dev, ino, size, mtimeMs } = await stat(file);
        return `${dev}:${ino}:${size}:${mtimeMs}`;
      } catch (error) {
        return errorCode(error) ?? 'unknown';
      }
    }),
  );
  return stamps.join(' ');
}

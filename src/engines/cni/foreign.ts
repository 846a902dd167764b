import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../core/errors.ts';

/** Where network add-ons put their configuration and their programs, by the CNI project's convention. */
export const foreignConfigFolder = '/etc/cni/net.d';
const programFolders = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];
/** Beside the linked programs: names of the configuration files that were copied. */
const copiedName = 'copied.json';

/** Where the node keeps what it takes over of an add-on. */
export interface ForeignNetwork {
  /** What the runtime reads; files that stand there go before those of /etc/cni/net.d. */
  readonly configFolder: string;
  /** `<data-dir>/agent/cni`. */
  readonly folder: string;
}

/** The folder of links to all programs, where `linkPrograms` puts them. */
export function linkedPrograms(folder: string): string {
  return join(folder, 'bin');
}

/**
 * Shows the runtime the configuration of an add-on: what lies in its own folder, else a copy of /etc/cni/net.d, kept the same as
 * the original. Resolves with the files that count; none when no add-on has come yet.
 */
export async function takeOverConfiguration(
  { configFolder, folder }: ForeignNetwork,
  source: string = foreignConfigFolder,
): Promise<readonly string[]> {
  const copiedFile = join(folder, copiedName);
  const copied = await readCopied(copiedFile);
  const own = (await configurations(configFolder)).filter((name) => !copied.includes(name));
  const wanted = own.length > 0 || source === configFolder ? [] : await configurations(source);
  const surplus = copied.filter((name) => !wanted.includes(name));
  if (surplus.length > 0 || wanted.some((name) => !copied.includes(name))) {
    // Noted first: what is not noted would count as the user's own after a kill.
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await writeFile(copiedFile, JSON.stringify([...new Set([...copied, ...wanted])]), { mode: 0o644 });
  }
  await mkdir(configFolder, { recursive: true, mode: 0o755 });
  for (const name of surplus) await rm(join(configFolder, name), { force: true });
  for (const name of wanted) await copyWhenOther(join(source, name), join(configFolder, name));
  if (surplus.length > 0) await writeFile(copiedFile, JSON.stringify(wanted), { mode: 0o644 });
  return own.length > 0 ? own : wanted;
}

/** Links the programs of all folders into one, for the runtime looks into one only; an add-on's own go before the distribution's. */
export async function linkPrograms(folder: string, sources: readonly string[] = programFolders): Promise<void> {
  const target = linkedPrograms(folder);
  await mkdir(target, { recursive: true, mode: 0o755 });
  const wanted = new Map<string, string>();
  for (const source of sources.toReversed()) {
    for (const name of await namesIn(source)) wanted.set(name, join(source, name));
  }
  for (const name of await namesIn(target)) {
    const original = wanted.get(name);
    if (original === (await readlink(join(target, name)))) wanted.delete(name);
    else await rm(join(target, name));
  }
  for (const [name, original] of wanted) await symlink(original, join(target, name));
}

/** Forgets an add-on: the node has a network of its own again. */
export async function dropForeign({ configFolder, folder }: ForeignNetwork): Promise<void> {
  const copiedFile = join(folder, copiedName);
  for (const name of await readCopied(copiedFile)) await rm(join(configFolder, name), { force: true });
  await rm(copiedFile, { force: true });
  await rm(linkedPrograms(folder), { recursive: true, force: true });
}

/** The files that a runtime reads as configuration, in its order. */
async function configurations(folder: string): Promise<readonly string[]> {
  return (await namesIn(folder)).filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

async function copyWhenOther(from: string, to: string): Promise<void> {
  const content = await readFile(from);
  const standing = await stat(to).then(
    () => readFile(to),
    () => null,
  );
  if (standing?.equals(content)) return;
  await writeFile(`${to}.new`, content, { mode: 0o600 });
  await rename(`${to}.new`, to);
}

async function readCopied(file: string): Promise<readonly string[]> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

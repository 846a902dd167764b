import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../src/engines/process/run.ts';
import type { TarEntry } from '../../../src/wire/tar.ts';

/** Where downloaded packages and built images are kept from run to run. */
export const cacheFolder = '/var/tmp/wherry-test-images';

/** Downloads Debian packages (once) and unpacks them together; resolves with the folder of their files. */
export async function unpackPackages(packages: readonly string[]): Promise<string> {
  const folder = join(cacheFolder, `unpacked-${packages.join('+')}`);
  if (await exists(folder)) return folder;
  await mkdir(cacheFolder, { recursive: true });
  const work = await mkdtemp(join(cacheFolder, 'download-'));
  try {
    const download = () => run('apt-get', ['download', '-q', ...packages], { cwd: work, timeoutMs: 300_000 });
    await withPackageIndex(download);
    const debs = (await readdir(work)).filter((name) => name.endsWith('.deb')).sort();
    for (const deb of debs) await run('dpkg-deb', ['-x', join(work, deb), join(work, 'files')], { timeoutMs: 60_000 });
    await rename(join(work, 'files'), folder).catch(async (thrown: unknown) => {
      // Another test run was faster.
      if (!(await exists(folder))) throw thrown;
    });
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The names of the libraries that a package depends on directly. */
export async function libraryPackages(name: string): Promise<readonly string[]> {
  const { stdout } = await withPackageIndex(() => run('apt-cache', ['depends', '--important', name]));
  const found = [...stdout.matchAll(/^\s*\|?Depends: (\S+)$/gm)].flatMap((match) => match[1] ?? []);
  return found.filter((dependency) => /^(lib|zlib)/.test(dependency)).sort();
}

/** A machine that never asked its mirror knows no package, and one that asked long ago knows versions that are gone. */
async function withPackageIndex<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch {
    await run('apt-get', ['update', '-qq'], { timeoutMs: 300_000 });
    return await ask();
  }
}

/** One file out of an unpacked folder, under a name of its own in the image. */
export async function fileEntry(source: string, path: string, mode = 0o755): Promise<TarEntry> {
  return { path, mode, content: await readFile(source) };
}

/** Parent folders of the entries, so that an image has each of them once, with open modes. */
export function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const known = new Set(entries.map(({ path }) => path));
  const folders = new Set<string>();
  for (const { path } of entries)
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const folder = path.slice(0, slash + 1);
      if (!known.has(folder)) folders.add(folder);
    }
  return [...[...folders].sort().map((path) => ({ path, mode: 0o755 })), ...entries];
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

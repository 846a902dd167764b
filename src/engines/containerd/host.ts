import { access, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../core/errors.ts';
import { run } from '../process/run.ts';

/** What this machine allows a container runtime to do; found by looking and trying. */
export interface HostFacts {
  /** The process may lower its oom_score_adj (CAP_SYS_RESOURCE). */
  readonly canLowerOomScore: boolean;
  /** Why overlayfs can't be mounted on the containers' data; null where it can. */
  readonly overlayProblem: string | null;
  readonly systemdRuns: boolean;
}

const CAP_SYS_RESOURCE = 24n;

/** `dataFolder` is where containerd will keep its snapshots; it is made if absent. */
export async function observeHost(dataFolder: string): Promise<HostFacts> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return {
    canLowerOomScore: ((effective >> CAP_SYS_RESOURCE) & 1n) === 1n,
    overlayProblem: await tryOverlay(dataFolder),
    systemdRuns: await access('/run/systemd/system').then(
      () => true,
      () => false,
    ),
  };
}

async function tryOverlay(dataFolder: string): Promise<string | null> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(dataFolder, 'overlay-'));
  try {
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(folder, name));
    for (const path of [lower, upper, work, merged]) if (path) await mkdir(path);
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged ?? '']);
    await run('umount', [merged ?? '']);
    return null;
  } catch (thrown) {
    return describeError(thrown);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

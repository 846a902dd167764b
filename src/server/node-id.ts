import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { pathsOf } from './paths.ts';
import { readIfPresent, writeAtomically } from './pki/files.ts';

const idBytes = 4;

/** The node's name as it stands, or with --with-node-id followed by what this machine alone has. */
export async function identify<
  T extends { readonly dataDir: string; readonly nodeName: string; readonly withNodeId: boolean },
>(options: T): Promise<T> {
  if (!options.withNodeId) return options;
  const file = path.join(pathsOf(options.dataDir).agent, 'node-id');
  let id = (await readIfPresent(file))?.trim();
  if (id === undefined || !/^[0-9a-f]{8}$/.test(id)) {
    id = randomBytes(idBytes).toString('hex');
    await writeAtomically(file, `${id}\n`, 0o600);
  }
  return { ...options, nodeName: `${options.nodeName}-${id}` };
}

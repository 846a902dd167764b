import { isObject } from '../../core/json.ts';
import { CommandError, run } from '../process/run.ts';

/** Puts an address on an interface; does nothing when it is there. `address` carries its prefix length: 10.43.0.10/32. */
export async function ensureAddress(address: string, device: string): Promise<void> {
  await run('ip', ['address', 'replace', address, 'dev', device]);
}

/** Takes an address off an interface; does nothing when it, or the interface, is not there. */
export async function removeAddress(address: string, device: string): Promise<void> {
  try {
    await run('ip', ['address', 'delete', address, 'dev', device]);
  } catch (error) {
    if (
      error instanceof CommandError &&
      /Cannot assign requested address|Address not found|Cannot find device|does not exist/.test(error.stderr)
    )
      return;
    throw error;
  }
}

/** Removes an interface; does nothing when it is not there. */
export async function removeLink(device: string): Promise<void> {
  try {
    await run('ip', ['link', 'delete', device]);
  } catch (error) {
    if (error instanceof CommandError && /Cannot find device/.test(error.stderr)) return;
    throw error;
  }
}

/** The addresses of an interface with their prefix lengths; empty when there is no such interface. */
export async function addressesOf(device: string): Promise<readonly string[]> {
  let output: string;
  try {
    output = (await run('ip', ['-j', 'address', 'show', 'dev', device])).stdout;
  } catch (error) {
    if (error instanceof CommandError && /does not exist/.test(error.stderr)) return [];
    throw error;
  }
  const links: unknown = JSON.parse(output);
  if (!Array.isArray(links)) return [];
  return links
    .flatMap((link) => (isObject(link) && Array.isArray(link['addr_info']) ? link['addr_info'] : []))
    .filter(isObject)
    .map((a) => `${a['local']}/${a['prefixlen']}`);
}

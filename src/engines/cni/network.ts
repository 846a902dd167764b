import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, TerminalError } from '../../core/errors.ts';
import { removeLink } from '../iproute2/ip.ts';
import { run } from '../process/run.ts';
import { bridgeOf, compilePodInterfaces, type PodInterfaces } from './config.ts';

/** Where distributions put the standard plugins: Debian and Ubuntu, then the CNI project's own place. */
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];
const neededPlugins = ['ptp', 'host-local', 'loopback', 'tuning'];
const configName = '10-wherry.conflist';
/** Beside the address book: the bridge that pods of an earlier version's start are still plugged into. */
const formerBridgeName = 'former-bridge';

/** The folder that has all plugins needed. Throws TerminalError with what to install. */
export async function findPluginFolder(folders: readonly string[] = pluginFolders): Promise<string> {
  for (const folder of folders) {
    const has = await Promise.all(
      neededPlugins.map((name) =>
        access(join(folder, name)).then(
          () => true,
          () => false,
        ),
      ),
    );
    if (has.every(Boolean)) return folder;
  }
  throw new TerminalError(
    'CNI_PLUGINS_MISSING',
    `the CNI plugins ${neededPlugins.join(', ')} are in none of ${folders.join(', ')}`,
    {
      hint: 'install them (Debian, Ubuntu: apt-get install containernetworking-plugins)',
    },
  );
}

/** Puts the network's configuration where the runtime looks for it, in one step. False when it stood there already. */
export async function applyNetwork(configFolder: string, network: PodInterfaces): Promise<boolean> {
  const content = compilePodInterfaces(network);
  const path = join(configFolder, configName);
  const standing = await readText(path);
  if (standing === content) return false;
  await mkdir(configFolder, { recursive: true, mode: 0o755 });
  await mkdir(network.addressFolder, { recursive: true, mode: 0o755 });
  const bridge = bridgeOf(standing ?? '');
  // Noted before its configuration is overwritten: afterwards nobody knows that the bridge was ours.
  if (bridge !== undefined) await writeFile(join(network.addressFolder, formerBridgeName), bridge, { mode: 0o644 });
  await writeFile(`${path}.new`, content, { mode: 0o644 });
  await rename(`${path}.new`, path);
  return true;
}

/** Takes the configuration away, for pods that others give their interfaces. Idempotent. */
export async function removeConfiguration(configFolder: string): Promise<void> {
  await rm(join(configFolder, configName), { force: true });
}

/** Removes the configuration and the address book. Idempotent. */
export async function removeNetwork(
  configFolder: string,
  { name, addressFolder }: Pick<PodInterfaces, 'name' | 'addressFolder'>,
): Promise<void> {
  await removeConfiguration(configFolder);
  await rm(join(addressFolder, name), { recursive: true, force: true });
}

/**
 * Pods that an earlier version started are plugged into a bridge and go on there. They take the node's whole range for their
 * own wire, so the bridge answers for the pods beyond it; it goes when its last pod has gone, or at once where `always` is
 * said. Resolves with its name while it stands.
 */
export async function tendFormerBridge(addressFolder: string, how: 'when empty' | 'always'): Promise<string | null> {
  const note = join(addressFolder, formerBridgeName);
  const bridge = await readText(note);
  if (bridge === null) return null;
  const ports = await readdir(`/sys/class/net/${bridge}/brif`).catch((thrown: unknown) => {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  });
  if (how === 'when empty' && ports.length > 0) {
    await setSysctl(`net/ipv4/conf/${bridge}/proxy_arp`, '1');
    return bridge;
  }
  await removeLink(bridge);
  await rm(note, { force: true });
  return null;
}

/** Lets the kernel forward packets. Throws TerminalError that names the setting when the kernel does not take it. */
export async function prepareKernel(families: { readonly ipv6: boolean }): Promise<void> {
  // The driver may be a module; without modprobe or modules it is built in or the plugin says so itself.
  await run('modprobe', ['-a', 'veth']).catch(() => {});
  await setSysctl('net/ipv4/ip_forward', '1');
  if (families.ipv6) await setSysctl('net/ipv6/conf/all/forwarding', '1');
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}

/** Sets a kernel setting, `net/ipv4/ip_forward`, unless it has the value. Throws TerminalError SYSCTL. */
export async function setSysctl(name: string, value: string): Promise<void> {
  const path = join('/proc/sys', name);
  try {
    if ((await readFile(path, 'utf8')).trim() === value) return;
    await writeFile(path, value);
  } catch (cause) {
    throw new TerminalError('SYSCTL', `the kernel setting ${name.replaceAll('/', '.')} can't be set to ${value}`, {
      cause,
      hint: `run: sysctl -w ${name.replaceAll('/', '.')}=${value}`,
    });
  }
}

import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, TerminalError } from '../../core/errors.ts';
import { run } from '../process/run.ts';
import { type BridgeNetwork, compileBridgeNetwork } from './config.ts';

/** Where distributions put the standard plugins: Debian and Ubuntu, then the CNI project's own place. */
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];
const neededPlugins = ['bridge', 'host-local', 'loopback'];
const configName = '10-wherry.conflist';

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
export async function applyNetwork(configFolder: string, network: BridgeNetwork): Promise<boolean> {
  if (Buffer.byteLength(network.bridge) > 15)
    throw new TerminalError('CNI_BRIDGE_NAME', `the bridge name ${network.bridge} is longer than 15 characters`);
  const content = compileBridgeNetwork(network);
  const path = join(configFolder, configName);
  const standing = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (errorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  });
  if (standing === content) return false;
  await mkdir(configFolder, { recursive: true, mode: 0o755 });
  await mkdir(network.addressFolder, { recursive: true, mode: 0o755 });
  await writeFile(`${path}.new`, content, { mode: 0o644 });
  await rename(`${path}.new`, path);
  return true;
}

/** Removes the configuration, the bridge and the address book. Idempotent. */
export async function removeNetwork(configFolder: string, network: BridgeNetwork): Promise<void> {
  await rm(join(configFolder, configName), { force: true });
  const links = await readdir('/sys/class/net');
  if (links.includes(network.bridge)) await run('ip', ['link', 'delete', network.bridge]);
  await rm(join(network.addressFolder, network.name), { recursive: true, force: true });
}

/**
 * Sets what the kernel must do for pods: forward packets, and show bridged ones to netfilter where br_netfilter is
 * there. Throws TerminalError that names the setting when the kernel does not take it.
 */
export async function prepareKernel(families: { readonly ipv6: boolean }): Promise<void> {
  // The bridge driver may be a module; without modprobe or modules it is built in or the bridge plugin says so itself.
  await run('modprobe', ['-a', 'bridge', 'br_netfilter', 'veth']).catch(() => {});
  await setSysctl('net/ipv4/ip_forward', '1', true);
  if (families.ipv6) await setSysctl('net/ipv6/conf/all/forwarding', '1', true);
  await setSysctl('net/bridge/bridge-nf-call-iptables', '1', false);
  if (families.ipv6) await setSysctl('net/bridge/bridge-nf-call-ip6tables', '1', false);
}

async function setSysctl(name: string, value: string, isNeeded: boolean): Promise<void> {
  const path = join('/proc/sys', name);
  try {
    if ((await readFile(path, 'utf8')).trim() === value) return;
    await writeFile(path, value);
  } catch (cause) {
    if (!isNeeded && errorCode(cause) === 'ENOENT') return;
    throw new TerminalError('SYSCTL', `the kernel setting ${name.replaceAll('/', '.')} can't be set to ${value}`, {
      cause,
      hint: `run: sysctl -w ${name.replaceAll('/', '.')}=${value}`,
    });
  }
}

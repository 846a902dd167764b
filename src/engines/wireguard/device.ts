import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { describeError, TransientError } from '../../core/errors.ts';
import { isOther } from '../iproute2/change.ts';
import { observeLinks } from '../iproute2/observe.ts';
import { startInBackground } from '../process/background.ts';
import { CommandError, programPath, run } from '../process/run.ts';
import { compileTunnel, needsSync, type ObservedTunnel, parseDump, type WireGuardTunnel } from './config.ts';

/** Who encrypts: the kernel's driver, or a program behind a TUN device. */
export type WireGuardDriver = 'kernel' | 'wireguard-go';

/** Where wireguard-go listens for wg. */
const socketFolder = '/var/run/wireguard';
const startTimeoutMs = 5000;
const lookMs = 20;

/** The driver that this machine has, or what it lacks for any. */
export async function findDriver(): Promise<{ readonly driver: WireGuardDriver } | { readonly lack: string }> {
  if (!(await hasProgram('wg'))) return { lack: 'the program wg (Debian, Ubuntu: apt-get install wireguard-tools)' };
  await run('modprobe', ['-q', 'wireguard']).catch(() => {});
  const inKernel = await run('unshare', ['--net', 'ip', 'link', 'add', 'probe', 'type', 'wireguard']).then(
    () => null,
    describeError,
  );
  if (inKernel === null) return { driver: 'kernel' };
  if (!existsSync('/dev/net/tun'))
    return { lack: 'WireGuard in the kernel (CONFIG_WIREGUARD), and TUN devices (CONFIG_TUN) for wireguard-go' };
  if (await hasProgram('wireguard-go')) return { driver: 'wireguard-go' };
  return {
    lack: 'WireGuard in the kernel (CONFIG_WIREGUARD), and wireguard-go, which does without it (Debian, Ubuntu: apt-get install wireguard-go)',
  };
}

async function hasProgram(name: string): Promise<boolean> {
  return programPath.split(':').some((folder) => existsSync(path.join(folder, name)));
}

/**
 * Makes a tunnel what it shall be: its device, if there is none, its key, port and peers. A device that stands and answers is taken
 * over as it is, with its sessions. Addresses and state are iproute2's. wireguard-go outlives this process.
 */
export async function applyTunnel(
  tunnel: WireGuardTunnel,
  environment: { readonly driver: WireGuardDriver; readonly logFile: string; readonly clock: Clock },
): Promise<void> {
  const { clock } = environment;
  const link = (await observeLinks()).get(tunnel.name);
  let standing = link === undefined ? null : await readTunnel(tunnel.name);
  if (standing === null) {
    if (link !== undefined) {
      // A driver that died, or an interface of another kind under our name.
      const other = isOther({ kind: 'wireguard', name: tunnel.name, mtu: 0, addresses: [] }, link);
      await run('ip', ['link', 'delete', 'dev', tunnel.name]).catch((thrown: unknown) => {
        if (other) throw thrown;
      });
    }
    standing = await makeDevice(tunnel.name, environment);
  }
  if (!needsSync(tunnel, standing, clock.now() / 1000)) return;
  // Its input is a socket, which wg can't open by name; a pipe it can, and the keys touch no disk.
  await run('sh', ['-c', 'cat | wg syncconf "$0" /dev/stdin', tunnel.name], { input: compileTunnel(tunnel) });
}

async function makeDevice(
  name: string,
  { driver, logFile, clock }: { readonly driver: WireGuardDriver; readonly logFile: string; readonly clock: Clock },
): Promise<ObservedTunnel> {
  if (driver === 'kernel') await run('ip', ['link', 'add', name, 'type', 'wireguard']);
  else {
    await mkdir(socketFolder, { recursive: true, mode: 0o700 });
    await mkdir(path.dirname(logFile), { recursive: true, mode: 0o700 });
    const environment = { PATH: programPath, LOG_LEVEL: 'error' };
    await startInBackground('wireguard-go', ['--foreground', name], { logFile, environment });
  }
  const deadline = clock.monotonic() + startTimeoutMs;
  for (;;) {
    const tunnel = await readTunnel(name);
    if (tunnel !== null) return tunnel;
    if (clock.monotonic() > deadline)
      throw new TransientError(
        'WIREGUARD_START',
        `${driver} has made no interface ${name} in ${startTimeoutMs / 1000} s`,
        {
          hint: `read ${logFile}`,
        },
      );
    await clock.sleep(lookMs);
  }
}

/** What stands; null when there is no such tunnel, or nobody answers for it. */
export async function readTunnel(name: string): Promise<ObservedTunnel | null> {
  try {
    return parseDump((await run('wg', ['show', name, 'dump'])).stdout);
  } catch (thrown) {
    if (thrown instanceof CommandError && thrown.exitCode !== null) return null;
    throw thrown;
  }
}

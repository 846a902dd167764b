import { existsSync } from 'node:fs';
import path from 'node:path';
import { describeError } from '../../core/errors.ts';
import { run } from '../process/run.ts';
import { type IpsecDriver, ipsecNumber } from './config.ts';

/** Where distributions put charon and what it loads. */
const programs = ['/usr/lib/ipsec/charon', '/usr/libexec/ipsec/charon', '/usr/libexec/strongswan/charon'];
const pluginFolders = ['/usr/lib/ipsec/plugins', '/usr/lib/strongswan/plugins', '/usr/lib64/strongswan/plugins'];

const modules = ['xfrm_user', 'esp4', 'esp6', 'xfrm_interface'];
const kernelTry = `ip link add probe type xfrm if_id ${ipsecNumber}
ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100 mode tunnel \
  aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128 if_id ${ipsecNumber}`;

export interface FoundDriver {
  readonly driver: IpsecDriver;
  /** The program. */
  readonly charon: string;
}

/** The driver that this machine has, or what it lacks for any. */
export async function findIpsec(): Promise<FoundDriver | { readonly lack: string }> {
  const charon = programs.find((program) => existsSync(program));
  const packages: string[] = [];
  if (charon === undefined) packages.push('strongswan-charon');
  if (!hasPlugin('vici')) packages.push('strongswan-swanctl');
  if (!hasPlugin('openssl')) packages.push('libstrongswan-standard-plugins');
  const debian = (names: readonly string[]) => `(Debian, Ubuntu: apt-get install ${names.join(' ')})`;
  if (charon === undefined || packages.length > 0) return { lack: `strongSwan ${debian(packages)}` };
  for (const module of modules) await run('modprobe', ['-q', module]).catch(() => {});
  const refusal = await run('unshare', ['--net', 'sh', '-ec', kernelTry]).then(() => null, describeError);
  if (refusal === null) return { driver: 'kernel', charon };
  const kernelLack = 'ESP in the kernel (CONFIG_INET_ESP, CONFIG_XFRM_INTERFACE, CONFIG_CRYPTO_GCM)';
  if (!existsSync('/dev/net/tun'))
    return { lack: `${kernelLack}, and TUN devices (CONFIG_TUN), with which strongSwan does without it` };
  if (hasPlugin('kernel-libipsec')) return { driver: 'libipsec', charon };
  return { lack: `${kernelLack}, and libipsec, which does without it ${debian(['libcharon-extra-plugins'])}` };
}

function hasPlugin(name: string): boolean {
  return pluginFolders.some((folder) => existsSync(path.join(folder, `libstrongswan-${name}.so`)));
}

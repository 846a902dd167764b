import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, WherryError } from '../../core/errors.ts';

/** Curve25519 keys as WireGuard writes them: 32 bytes, base64. */
export interface WireGuardKeys {
  /** Secret. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/** In front of the 32 bytes of a private key in PKCS #8 (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** The keys of this node, made when there are none. The file is for its owner only. Throws WherryError WIREGUARD_KEY. */
export async function nodeKeys(file: string): Promise<WireGuardKeys> {
  const standing = await readFile(file, 'utf8').catch((thrown: unknown) => {
    if (errorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  });
  if (standing !== null) return keysOf(standing.trim(), file);
  const made = generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const privateKey = made.subarray(-32).toString('base64');
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, `${privateKey}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return keysOf(privateKey, file);
}

function keysOf(privateKey: string, file: string): WireGuardKeys {
  const bytes = Buffer.from(privateKey, 'base64');
  if (bytes.length !== 32) {
    throw new WherryError('WIREGUARD_KEY', `${file} does not hold a WireGuard key`, {
      hint: 'remove the file: the node makes itself a new key, which the others learn at once',
    });
  }
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, bytes]), format: 'der', type: 'pkcs8' });
  const publicBytes = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  return { privateKey, publicKey: publicBytes.toString('base64') };
}

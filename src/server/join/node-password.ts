import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import path from 'node:path';
import type { Client } from '../../client/client.ts';
import { WherryError } from '../../core/errors.ts';
import { nodes, secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Secret } from '../../kube/types.gen.ts';
import { readIfPresent, writeAtomically } from '../pki/files.ts';

/**
 * A node's name belongs to the machine that first joined with it. That machine keeps a password; the cluster keeps the
 * password's hash in a Secret, and who does not know it gets no certificate for that name. As in k3s, whose names of Secrets and form of hashes
 * these are.
 */
export const passwordSuffix = '.node-password.k3s';
export const passwordNamespace = 'kube-system';
const passwordBytes = 16;
const form = /^[0-9a-f]{32}$/;

/** log2 of the work, block size and parallelism of scrypt (RFC 7914), and how much memory that may take. */
const cost = { log2N: 15, r: 8, p: 1 };
const scryptBytesMax = 64 * 1024 * 1024;
const hashBytes = 64;
const saltBytes = 8;

/** This machine's password, made at the first start. */
export async function ensureNodePassword(directory: string): Promise<string> {
  const file = path.join(directory, 'node-password');
  const kept = (await readIfPresent(file))?.trim();
  if (kept !== undefined) {
    if (form.test(kept)) return kept;
    throw new WherryError('NODE_PASSWORD_UNREADABLE', `${file} holds no password of a node`, {
      hint: `put it back from a backup, or remove the file, delete the node with kubectl and join anew`,
    });
  }
  const password = randomBytes(passwordBytes).toString('hex');
  await writeAtomically(file, `${password}\n`, 0o600);
  return password;
}

/** `$1:SALT:LOG2N:R:P:HASH`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, salt, cost, hashBytes);
  const text = hash.toString('base64').replace(/=+$/, '');
  return `$1:${salt.toString('hex')}:${cost.log2N}:${cost.r}:${cost.p}:${text}`;
}

/** Whether a password is the one of a hash; never for a hash of another form, or one that asks for more work than ours. */
export async function isPasswordOf(password: string, text: string): Promise<boolean> {
  const [, salt, log2N, r, p, hash] = /^\$1:([0-9a-f]+):(\d+):(\d+):(\d+):([A-Za-z0-9+/]+)$/.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const asked = { log2N: Number(log2N), r: Number(r), p: Number(p) };
  const isBounded = asked.log2N <= cost.log2N && asked.r === cost.r && asked.p === cost.p && asked.log2N > 0;
  const wanted = Buffer.from(hash, 'base64');
  if (!isBounded || wanted.byteLength < 32 || wanted.byteLength > hashBytes) return false;
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'hex'), asked, wanted.byteLength), wanted);
}

function derive(password: string, salt: Buffer, { log2N, r, p }: typeof cost, bytes: number): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** log2N, r, p, maxmem: scryptBytesMax };
  return new Promise((resolve, reject) =>
    scrypt(password, salt, bytes, options, (error, key) => (error === null ? resolve(key) : reject(error))),
  );
}

/**
 * Whether a machine with this password may have the name. A name that nobody has becomes its own; a Node without a
 * password (it joined before there were any) is given one only when `isItself`: the caller has shown that node's certificate.
 */
export async function claimName(
  client: Client,
  claim: { readonly nodeName: string; readonly password: string; readonly isItself: boolean },
): Promise<boolean> {
  const { nodeName, password, isItself } = claim;
  const key = { namespace: passwordNamespace, name: `${nodeName}${passwordSuffix}` };
  for (;;) {
    const standing = await find(() => client.get(secrets, key));
    if (standing !== undefined) {
      return await isPasswordOf(password, Buffer.from(standing.data?.['hash'] ?? '', 'base64').toString('utf8'));
    }
    if (!isItself && (await find(() => client.get(nodes, { name: nodeName }))) !== undefined) return false;
    const secret: Secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...key },
      type: 'Opaque',
      immutable: true,
      stringData: { hash: await hashPassword(password) },
    };
    try {
      await client.create(secrets, secret);
      return true;
    } catch (error) {
      // Another machine was faster; what it left decides.
      if (!isReason(error, 'AlreadyExists')) throw error;
    }
  }
}

async function find<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

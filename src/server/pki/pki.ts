import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AltNames } from '../../wire/x509.ts';
import { type Authority, ensureAuthority, ensureLeaf, type KeyPair, keyPem, readPrivateKey } from './certificates.ts';
import { readIfPresent, writeAtomically } from './files.ts';

export interface PkiOptions {
  /** `<data-dir>/server/tls`. */
  readonly directory: string;
  /** Names and addresses under which clients reach the API server, beyond the standard ones: the node's own and --tls-san. */
  readonly subjectAltNames: readonly string[];
  /** First address of each range of Services; the primary one's is the cluster IP of the `kubernetes` Service. */
  readonly serviceAddresses: readonly string[];
  /** E.g. `cluster.local`. */
  readonly clusterDomain: string;
  readonly nowMs: number;
}

/** Keys and certificates of a server. The files bear k3s's names. */
export interface Pki {
  readonly directory: string;
  /** Signs what servers show: the API server and the kubelets. */
  readonly serverAuthority: Authority;
  /** Signs what clients show to the API server. */
  readonly clientAuthority: Authority;
  /** Signs the client certificate with which the API server shows itself to aggregated API servers. */
  readonly requestHeaderAuthority: Authority;
  readonly apiServer: KeyPair;
  /** O=system:masters, CN=system:admin: what the administrator's kubeconfig holds. */
  readonly admin: KeyPair;
  readonly controllerManager: KeyPair;
  readonly scheduler: KeyPair;
  /** With which the API server calls kubelets. */
  readonly apiServerClient: KeyPair;
  readonly authProxy: KeyPair;
  readonly serviceAccounts: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
}

/** The certificates of one node. */
export interface NodePki {
  /** CN=system:node:NAME, O=system:nodes. */
  readonly client: KeyPair;
  readonly serving: KeyPair;
}

const newRsaKey = promisify(generateKeyPair);
const rsaBits = 2048;

/** Makes what is missing or near its end, keeps the rest. Safe to call at every start and after a crash at any point. */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const { directory, nowMs } = options;
  const [serverAuthority, clientAuthority, requestHeaderAuthority, serviceAccountKey] = await Promise.all([
    ensureAuthority(directory, 'server-ca', nowMs),
    ensureAuthority(directory, 'client-ca', nowMs),
    ensureAuthority(directory, 'request-header-ca', nowMs),
    ensureServiceAccountKey(join(directory, 'service.key')),
  ]);
  const client = (file: string, commonName: string, organizations: readonly string[], authority = clientAuthority) =>
    ensureLeaf(directory, file, authority, { subject: { commonName, organizations }, usages: ['clientAuth'] }, nowMs);
  const serving = {
    subject: { commonName: 'kube-apiserver', organizations: [] },
    usages: ['serverAuth'],
    names: servingNames(options),
  } as const;
  const [apiServer, admin, controllerManager, scheduler, apiServerClient, authProxy] = await Promise.all([
    ensureLeaf(directory, 'serving-kube-apiserver', serverAuthority, serving, nowMs),
    client('client-admin', 'system:admin', ['system:masters']),
    client('client-controller', 'system:kube-controller-manager', []),
    client('client-scheduler', 'system:kube-scheduler', []),
    client('client-kube-apiserver', 'system:apiserver', ['system:masters']),
    client('client-auth-proxy', 'system:auth-proxy', [], requestHeaderAuthority),
  ]);
  return {
    directory,
    serverAuthority,
    clientAuthority,
    requestHeaderAuthority,
    apiServer,
    admin,
    controllerManager,
    scheduler,
    apiServerClient,
    authProxy,
    serviceAccounts: { privateKey: serviceAccountKey, publicKey: createPublicKey(serviceAccountKey) },
  };
}

/** The certificates of the node that runs beside this server, in `<data-dir>/agent`. */
export async function ensureNodePki(
  pki: Pki,
  node: {
    readonly directory: string;
    readonly name: string;
    readonly addresses: readonly string[];
    readonly nowMs: number;
  },
): Promise<NodePki> {
  const subject = { commonName: `system:node:${node.name}`, organizations: ['system:nodes'] };
  const names = altNames(['localhost', node.name, '127.0.0.1', '::1', ...node.addresses]);
  const [client, serving] = await Promise.all([
    ensureLeaf(node.directory, 'client-kubelet', pki.clientAuthority, { subject, usages: ['clientAuth'] }, node.nowMs),
    ensureLeaf(
      node.directory,
      'serving-kubelet',
      pki.serverAuthority,
      { subject, usages: ['serverAuth'], names },
      node.nowMs,
    ),
  ]);
  return { client, serving };
}

/** Every name under which the API server's certificate must be valid. */
export function servingNames(
  options: Pick<PkiOptions, 'subjectAltNames' | 'serviceAddresses' | 'clusterDomain'>,
): AltNames {
  return altNames([
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${options.clusterDomain}`,
    'localhost',
    '127.0.0.1',
    '::1',
    ...options.serviceAddresses,
    ...options.subjectAltNames,
  ]);
}

function altNames(names: readonly string[]): AltNames {
  const all = [...new Set(names)].filter((name) => name !== '');
  return { dns: all.filter((name) => isIP(name) === 0), ips: all.filter((name) => isIP(name) !== 0) };
}

// RSA rather than ECDSA: cloud providers that accept a cluster's tokens (workload identity) often know RS256 alone.
async function ensureServiceAccountKey(path: string): Promise<KeyObject> {
  const text = await readIfPresent(path);
  if (text !== undefined) return readPrivateKey(path, text);
  const { privateKey } = await newRsaKey('rsa', { modulusLength: rsaBits });
  await writeAtomically(path, keyPem(privateKey), 0o600);
  return privateKey;
}

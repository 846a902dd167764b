import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';
import { writeAtomically } from './files.ts';

export interface KubeconfigOptions {
  /** URL of the API server. */
  readonly server: string;
  /** PEM of the authority that signed the API server's certificate. */
  readonly authority: string;
  readonly client: KeyPair;
  /** Name of the cluster, the user and the context. */
  readonly name: string;
}

/** The text of a kubeconfig (v1 Config) with one cluster, one user and one context. */
export function kubeconfig({ server, authority, client, name }: KubeconfigOptions): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(authority) } }],
      users: [
        {
          name,
          user: { 'client-certificate-data': base64(client.certificate), 'client-key-data': base64(client.key) },
        },
      ],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
      preferences: {},
    },
    { lineWidth: 0 },
  );
}

/** Writes a kubeconfig in one step; `mode` is --write-kubeconfig-mode (0o600 unless the user says otherwise). */
export async function writeKubeconfig(path: string, options: KubeconfigOptions, mode = 0o600): Promise<void> {
  await writeAtomically(path, kubeconfig(options), mode);
}

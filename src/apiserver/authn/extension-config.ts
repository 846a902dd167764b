import type { Client } from '../../client/client.ts';
import { configmaps } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ConfigMap } from '../../kube/types.gen.ts';

export interface ExtensionAuthentication {
  /** PEM of the authority that signs client certificates. */
  readonly clientAuthority: string;
  /** PEM of the authority of the certificate with which the API server forwards requests. */
  readonly requestHeaderAuthority: string;
  /** Common names that may forward requests. */
  readonly allowedNames: readonly string[];
}

/** The data of kube-system/extension-apiserver-authentication: how aggregated API servers know whom to believe. */
export function extensionAuthenticationData(settings: ExtensionAuthentication): Readonly<Record<string, string>> {
  return {
    'client-ca-file': settings.clientAuthority,
    'requestheader-allowed-names': JSON.stringify(settings.allowedNames),
    'requestheader-client-ca-file': settings.requestHeaderAuthority,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  };
}

const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const maxAttempts = 5;

/** Publishes what extensionAuthenticationData says, and puts it back when somebody changed it. */
export async function ensureExtensionAuthentication(client: Client, settings: ExtensionAuthentication): Promise<void> {
  const data = extensionAuthenticationData(settings);
  for (let attempt = 1; ; attempt++) {
    try {
      const standing = await find(client);
      if (standing === undefined) {
        await client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data });
      } else if (Object.entries(data).some(([name, value]) => standing.data?.[name] !== value)) {
        await client.update(configmaps, { ...standing, data: { ...standing.data, ...data } });
      }
      return;
    } catch (error) {
      if (attempt >= maxAttempts || !isReason(error, 'Conflict', 'AlreadyExists', 'NotFound')) throw error;
    }
  }
}

async function find(client: Client): Promise<ConfigMap | undefined> {
  try {
    return await client.get(configmaps, key);
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

import { existsSync } from 'node:fs';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/client-impl.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import { loadKubeconfig } from '../client/kubeconfig.ts';
import { describeError, TransientError, WherryError } from '../core/errors.ts';
import { endpointslices } from '../kube/resources.gen.ts';
import { urlHost } from './address-ranges.ts';
import { readTraces } from './reset.ts';

/** The cluster as its administrator sees it from the server's own machine. Disposing closes the connections. */
export interface AdminAccess extends Disposable {
  readonly client: Client;
  /** PEM of the authority that signed the API server's certificate. */
  readonly authority: string;
}

/**
 * Opens the cluster of a data directory with its administrator's kubeconfig, or with another one that is given. Throws
 * WherryError NO_SERVER where no server was started.
 */
export async function openAdminAccess(dataDir: string, given: string | undefined): Promise<AdminAccess> {
  const kubeconfig = given ?? (await readTraces(dataDir))?.writeKubeconfig;
  if (kubeconfig === undefined || !existsSync(kubeconfig)) {
    const what = kubeconfig === undefined ? `no server was started with ${dataDir}` : `${kubeconfig} does not exist`;
    throw new WherryError('NO_SERVER', what, {
      hint: 'run this on the machine of the server, started with `sudo ./wherry up`, or give --kubeconfig',
    });
  }
  const options = loadKubeconfig(kubeconfig);
  if (options.ca === undefined)
    throw new WherryError('NO_AUTHORITY', `${kubeconfig} does not say by which authority the server is known`, {
      hint: 'give the kubeconfig that the server wrote',
    });
  const transport = createHttpsTransport({ ...options, userAgent: 'wherry' });
  return {
    client: createClient(transport),
    authority: options.ca,
    [Symbol.dispose]: () => transport[Symbol.dispose](),
  };
}

/** Runs what speaks with the server; says how to start it when it does not answer. */
export async function withServer<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof TransientError) || !cause.code.startsWith('API_')) throw cause;
    throw new WherryError('SERVER_AWAY', describeError(cause), {
      cause,
      hint: 'start the server with `sudo ./wherry up`',
    });
  }
}

/** URL under which other machines reach the API, as the Service `kubernetes` knows it. */
export async function advertisedServer(client: Client): Promise<string> {
  const { endpoints = [], ports = [] } = await client.get(endpointslices, { namespace: 'default', name: 'kubernetes' });
  const address = endpoints[0]?.addresses[0];
  const port = ports?.[0]?.port;
  if (address === undefined || port === undefined)
    throw new TransientError('NO_ENDPOINT', 'the Service default/kubernetes has no endpoint yet');
  return `https://${urlHost(address)}:${port}`;
}

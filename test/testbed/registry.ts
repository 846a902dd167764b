import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type OciBlob, type OciImage, ociBlobs } from '../../src/wire/oci-archive.ts';

/** A container registry on loopback that serves images from memory (OCI distribution specification, pull only). */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>`: the first part of its images' names. */
  readonly host: string;
  /** Requests so far, as `GET /v2/...`. */
  readonly requests: readonly string[];
}

export interface TestRegistryOptions {
  /** By repository and tag, e.g. `team/app:v1`. */
  readonly images: Readonly<Record<string, OciImage>>;
  /** Wanted from clients (HTTP basic); none when absent. */
  readonly credentials?: { readonly username: string; readonly password: string };
}

export async function startRegistry(options: TestRegistryOptions): Promise<TestRegistry> {
  const manifests = new Map<string, OciBlob>();
  const blobs = new Map<string, OciBlob>();
  for (const [name, image] of Object.entries(options.images)) {
    const [repository = '', tag = 'latest'] = name.split(':');
    const { manifest, config, layers } = ociBlobs(image);
    manifests.set(`${repository}/${tag}`, manifest);
    manifests.set(`${repository}/${manifest.digest}`, manifest);
    for (const blob of [config, ...layers]) blobs.set(`${repository}/${blob.digest}`, blob);
  }
  const { credentials } = options;
  const expected =
    credentials === undefined
      ? undefined
      : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  const requests: string[] = [];

  function find(path: string): OciBlob | undefined {
    const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path);
    if (match === null) return undefined;
    const [, repository, kind, reference] = match;
    return (kind === 'manifests' ? manifests : blobs).get(`${repository}/${reference}`);
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
    requests.push(`${request.method} ${path}`);
    if (expected !== undefined && request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"', 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
      return;
    }
    if (path === '/v2/') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      return;
    }
    const found = find(path);
    if (found === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
      return;
    }
    response.writeHead(200, {
      'content-type': found.mediaType,
      'content-length': found.size,
      'docker-content-digest': found.digest,
    });
    response.end(request.method === 'HEAD' ? undefined : found.content);
  }

  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

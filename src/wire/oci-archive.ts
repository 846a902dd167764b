import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type TarEntry, writeTar } from './tar.ts';

/** An image to pack, for one platform. */
export interface OciImage {
  /** Full references, e.g. `registry.k8s.io/pause:3.10`. */
  readonly names: readonly string[];
  /** Go's name: `amd64`, `arm64`. */
  readonly architecture: string;
  /** Files of each layer, lowest first. */
  readonly layers: readonly (readonly TarEntry[])[];
  readonly config: OciImageConfig;
}

/** The part of the OCI image configuration that says how a container runs. Keys as in the image specification. */
export interface OciImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
}

/** A blob with what a descriptor says of it. */
export interface OciBlob {
  readonly mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly size: number;
  readonly content: Uint8Array;
}

export interface OciBlobs {
  readonly manifest: OciBlob;
  readonly config: OciBlob;
  readonly layers: readonly OciBlob[];
}

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

/** The blobs of an image (OCI image specification 1.0). The same input gives the same digests. */
export function ociBlobs(image: OciImage): OciBlobs {
  const tars = image.layers.map(writeTar);
  const layers = tars.map((tar) => blob(mediaTypes.layer, gzipSync(tar, { level: 6 })));
  const config = json(mediaTypes.config, {
    architecture: image.architecture,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => sha256(tar)) },
  });
  const manifest = json(mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { manifest, config, layers };
}

/** An OCI image layout as one tar, as `ctr images import`, docker and skopeo read it. */
export function writeOciArchive(image: OciImage): Uint8Array {
  const { manifest, config, layers } = ociBlobs(image);
  const index = {
    schemaVersion: 2,
    manifests: image.names.map((name) => ({
      ...descriptor(manifest),
      platform: { architecture: image.architecture, os: 'linux' },
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
    })),
  };
  const file = (path: string, content: Uint8Array): TarEntry => ({ path, mode: 0o644, content });
  const blobs = new Map([manifest, config, ...layers].map((item) => [item.digest, item]));
  return writeTar([
    file('oci-layout', encode({ imageLayoutVersion: '1.0.0' })),
    file('index.json', encode(index)),
    ...[...blobs.values()].map((item) => file(`blobs/${item.digest.replace(':', '/')}`, item.content)),
  ]);
}

function blob(mediaType: string, content: Uint8Array): OciBlob {
  return { mediaType, digest: sha256(content), size: content.length, content };
}

function json(mediaType: string, value: unknown): OciBlob {
  return blob(mediaType, encode(value));
}

function descriptor({ mediaType, digest, size }: OciBlob) {
  return { mediaType, digest, size };
}

function sha256(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

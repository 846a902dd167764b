import type { ProjectedVolumeSource, Volume, VolumeProjection } from '../types.gen.ts';
import { claimSpecWarnings } from './claim-warnings.ts';

/** Volume plugins that were deprecated or removed. */
const retired: readonly (readonly [keyof Volume, string])[] = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];
const upstreamNames: Partial<Record<keyof Volume, string>> = { storageos: 'storageOS' };

export function volumeWarnings(volumes: readonly Volume[] | undefined, path: string): readonly string[] {
  return [
    ...(volumes ?? []).flatMap((volume, index) => [
      ...retired
        .filter(([plugin]) => volume[plugin] !== undefined)
        .map(([plugin, message]) => `${path}[${index}].${upstreamNames[plugin] ?? plugin}: ${message}`),
      ...claimSpecWarnings(
        volume.ephemeral?.volumeClaimTemplate?.spec,
        `${path}[${index}].ephemeral.volumeClaimTemplate.spec`,
      ),
    ]),
    ...(volumes ?? []).flatMap(overlapWarnings),
  ];
}

/** A path in a volume that is made of files, and what puts a file there. */
interface VirtualFile {
  readonly path: string;
  readonly source: string;
}

function overlapWarnings(volume: Volume): readonly string[] {
  const named = `volume ${JSON.stringify(volume.name)}`;
  if (volume.configMap !== undefined) {
    const files = filesOf(volume.configMap.items);
    return overlaps(files).map((text) => `${named} (ConfigMap ${JSON.stringify(volume.configMap?.name)}): ${text}`);
  }
  if (volume.secret !== undefined) {
    const files = filesOf(volume.secret.items);
    return overlaps(files).map((text) => `${named} (Secret ${JSON.stringify(volume.secret?.secretName)}): ${text}`);
  }
  if (volume.downwardAPI !== undefined) {
    return overlaps(filesOf(volume.downwardAPI.items)).map((text) => `${named} (DownwardAPI): ${text}`);
  }
  return volume.projected === undefined ? [] : projectedWarnings(volume.projected, `${named} (Projected)`);
}

function projectedWarnings(projected: ProjectedVolumeSource, named: string): readonly string[] {
  const sources = projected.sources ?? [];
  const empty = sources.filter((source) => Object.keys(source).length === 0);
  return [
    ...empty.map(() => `${named} has no sources provided`),
    ...overlaps(sources.flatMap(projectedFiles)).map((text) => `${named}: ${text}`),
  ];
}

function projectedFiles(source: VolumeProjection): readonly VirtualFile[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  if (configMap !== undefined) return filesOf(configMap.items, `ConfigMap ${JSON.stringify(configMap.name ?? '')}`);
  if (secret !== undefined) return filesOf(secret.items, `Secret ${JSON.stringify(secret.name ?? '')}`);
  if (downwardAPI !== undefined) return filesOf(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken !== undefined) return [{ path: serviceAccountToken.path, source: 'ServiceAccountToken' }];
  if (clusterTrustBundle !== undefined) {
    const name = clusterTrustBundle.name ?? clusterTrustBundle.signerName ?? '';
    return [{ path: clusterTrustBundle.path, source: `ClusterTrustBundle ${JSON.stringify(name)}` }];
  }
  const paths = [podCertificate?.credentialBundlePath, podCertificate?.keyPath, podCertificate?.certificateChainPath];
  return paths.filter((path) => path !== undefined).map((path) => ({ path, source: 'PodCertificate' }));
}

function filesOf(items: readonly { readonly path: string }[] | undefined, source = ''): readonly VirtualFile[] {
  return (items ?? []).map(({ path }) => ({ path, source }));
}

/** Pairs of which one is the other or lies in it. */
function overlaps(files: readonly VirtualFile[]): readonly string[] {
  const found: string[] = [];
  for (const [index, file] of files.entries()) {
    for (const earlier of files.slice(0, index)) {
      if (isWithin(file.path, earlier.path) || isWithin(earlier.path, file.path)) {
        found.push(`overlapping paths: ${describe(file)} with ${describe(earlier)}`);
      }
    }
  }
  return found;
}

function describe({ path, source }: VirtualFile): string {
  return source === '' ? JSON.stringify(path) : `${JSON.stringify(path)} (${source})`;
}

function isWithin(inner: string, outer: string): boolean {
  const clean = (path: string) => path.replace(/\/+$/, '');
  return clean(inner) === clean(outer) || clean(inner).startsWith(`${clean(outer)}/`);
}

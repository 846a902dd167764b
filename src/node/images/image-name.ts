import { TerminalError } from '../../core/errors.ts';

/** A container image's name taken apart, with Docker's defaults filled in. */
export interface ImageName {
  /** E.g. `docker.io`, `registry.example:5000`. */
  readonly registry: string;
  /** E.g. `library/busybox`. */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const reference = new RegExp(
  `^(?:((?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\\.(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?))*(?::\\d+)?|\\[[a-fA-F0-9:]+\\](?::\\d+)?)/)?(${component}(?:/${component})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** Parses an image reference (distribution reference grammar). Throws TerminalError with kubelet's words. */
export function parseImageName(name: string): ImageName {
  const match = reference.exec(name);
  if (match === null || name.length > 4096) {
    const why =
      name !== name.toLowerCase() && reference.test(name.toLowerCase())
        ? 'invalid reference format: repository name must be lowercase'
        : 'invalid reference format';
    throw new TerminalError(
      'INVALID_IMAGE_NAME',
      `Failed to apply default image tag ${JSON.stringify(name)}: couldn't parse image name ${JSON.stringify(name)}: ${why}`,
    );
  }
  const [, first, rest = '', tag, digest] = match;
  // Without a dot, a port or `localhost` the first part is a path and not a host.
  const isHost = first !== undefined && (/[.:]/.test(first) || first === 'localhost');
  const registry = isHost && first !== 'index.docker.io' ? first : 'docker.io';
  const path = isHost || first === undefined ? rest : `${first}/${rest}`;
  return {
    registry,
    repository: registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  };
}

/** The full name, as the runtime lists it. */
export function formatImageName({ registry, repository, tag, digest }: ImageName): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

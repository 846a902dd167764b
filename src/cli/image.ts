import path from 'node:path';
import type { Command } from 'commander';
import { errorCode, WherryError } from '../core/errors.ts';
import type { Cri } from '../engines/containerd/cri.ts';
import { clusterNames } from '../server/names.ts';
import { pathsOf } from '../server/paths.ts';
import { addDataDir } from './options.ts';
import { requireRoot } from './root.ts';

interface Given {
  readonly dataDir: string;
  readonly containerRuntimeEndpoint?: string;
}

/** `wherry image import|list|remove`: the images of this node. */
export function addImage(program: Command): void {
  const image = program.command('image').description("this node's container images");
  const add = (name: string, description: string) =>
    addDataDir(image.command(name).description(description)).option(
      '--container-runtime-endpoint <socket>',
      "a containerd that is not Wherry's own",
    );
  add('import', 'import image archives (docker save, OCI layout)')
    .argument('<archives...>')
    .action(async (archives: readonly string[], given: Given) => {
      const [{ observeHost }, { importImages }] = await Promise.all([
        import('../engines/containerd/host.ts'),
        import('../engines/containerd/images.ts'),
      ]);
      const address = await addressOf(given);
      const { overlayProblem } = await observeHost(pathsOf(given.dataDir).containerd);
      for (const archive of archives) {
        const names = await importImages({
          address,
          snapshotter: overlayProblem === null ? 'overlayfs' : 'native',
          path: path.resolve(archive),
        });
        for (const name of names) process.stdout.write(`${name}\n`);
      }
    });
  add('list', 'list the images').action(async (given: Given) => {
    await withCri(given, async (cri) => {
      const { images } = await cri.listImages({});
      const rows = images.flatMap(({ id, size, repoTags }) =>
        (repoTags.length === 0 ? ['<none>'] : repoTags).map((tag) => [
          tag,
          id.replace(/^sha256:/, '').slice(0, 12),
          megabytes(size),
        ]),
      );
      for (const [name = '', id = '', size = ''] of [['IMAGE', 'ID', 'SIZE'], ...rows.sort()]) {
        process.stdout.write(`${name.padEnd(60)} ${id.padEnd(12)} ${size.padStart(9)}\n`);
      }
    });
  });
  add('remove', 'remove images by name or id')
    .argument('<images...>')
    .action(async (images: readonly string[], given: Given) => {
      await withCri(given, async (cri) => {
        for (const name of images) {
          const { image: found } = await cri.imageStatus({ image: { image: name } });
          if (found === undefined)
            throw new WherryError('NO_SUCH_IMAGE', `there is no image ${name}`, { hint: 'see `wherry image list`' });
          await cri.removeImage({ image: { image: found.id } });
          process.stdout.write(`${name}\n`);
        }
      });
    });
}

async function addressOf(given: Given): Promise<string> {
  requireRoot('image');
  if (given.containerRuntimeEndpoint !== undefined) {
    const { endpointPath } = await import('../engines/containerd/endpoint.ts');
    return endpointPath(given.containerRuntimeEndpoint);
  }
  return path.join(clusterNames(given.dataDir).runFolder, 'containerd.sock');
}

async function withCri(given: Given, use: (cri: Cri) => Promise<void>): Promise<void> {
  const { connectCri } = await import('../engines/containerd/cri.ts');
  const address = await addressOf(given);
  const cri = connectCri(address);
  try {
    await use(cri);
  } catch (cause) {
    if (errorCode(cause) !== 'UNAVAILABLE') throw cause;
    throw new WherryError('NO_RUNTIME', `no containerd answers on ${address}`, {
      cause,
      hint: 'start the cluster with `sudo ./wherry up`',
    });
  } finally {
    cri.close();
  }
}

function megabytes(bytes: number | bigint | string): string {
  return `${(Number(bytes) / 1e6).toFixed(1)} MB`;
}

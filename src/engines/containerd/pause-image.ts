import { WherryError } from '../../core/errors.ts';
import { writeOciArchive } from '../../wire/oci-archive.ts';
import { type Architecture, pauseProgram } from './pause-program.ts';

/** The name under which manifests and runtimes know the pod sandbox image of Kubernetes 1.36. */
export const pauseImageName = 'registry.k8s.io/pause:3.10';

/** The pause image as an OCI archive to import, so that a pod needs no registry. Deterministic. */
export function pauseImageArchive(architecture: Architecture, name = pauseImageName): Uint8Array {
  return writeOciArchive({
    names: [name],
    architecture,
    layers: [[{ path: 'pause', mode: 0o755, content: pauseProgram(architecture) }]],
    config: {
      User: '65535:65535',
      Env: [`PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`],
      Entrypoint: ['/pause'],
      WorkingDir: '/',
    },
  });
}

/** Go's name of this machine's architecture. */
export function goArchitecture(nodeArchitecture: string): Architecture {
  if (nodeArchitecture === 'x64') return 'amd64';
  if (nodeArchitecture === 'arm64') return 'arm64';
  throw new WherryError('ARCHITECTURE_UNSUPPORTED', `containers don't run on ${nodeArchitecture}`, {
    hint: 'use a machine with an x86-64 or 64-bit ARM processor',
  });
}

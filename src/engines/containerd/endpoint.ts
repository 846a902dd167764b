import { stat } from 'node:fs/promises';
import { describeError, TerminalError } from '../../core/errors.ts';
import { connectCri, isUnimplemented } from './cri.ts';

export interface RuntimeVersion {
  /** E.g. `containerd`. */
  readonly name: string;
  readonly version: string;
}

/** The socket's path of `--container-runtime-endpoint`: `unix:///run/x.sock` or a plain path. */
export function endpointPath(endpoint: string): string {
  const path = endpoint.replace(/^unix:\/\//, '');
  if (path.startsWith('/')) return path;
  throw new TerminalError('RUNTIME_ENDPOINT', `${JSON.stringify(endpoint)} is not the address of a unix socket`, {
    hint: 'give --container-runtime-endpoint as unix:///run/containerd/containerd.sock',
  });
}

/** Asks a container runtime that somebody else runs who it is. Throws TerminalError that says what is wrong with it. */
export async function probeEndpoint(socketPath: string): Promise<RuntimeVersion> {
  const found = await stat(socketPath).catch((cause: unknown) => {
    throw new TerminalError('RUNTIME_ABSENT', `there is no container runtime at ${socketPath}`, {
      cause,
      hint: 'start it, correct --container-runtime-endpoint, or leave the flag out to use a containerd of our own',
    });
  });
  if (!found.isSocket())
    throw new TerminalError('RUNTIME_ENDPOINT', `${socketPath} is not a socket`, {
      hint: 'correct --container-runtime-endpoint',
    });
  const cri = connectCri(socketPath);
  try {
    const version = await cri.version({ version: 'v1' }, { timeoutMs: 5000 });
    return { name: version.runtimeName, version: version.runtimeVersion };
  } catch (cause) {
    const hint = isUnimplemented(cause)
      ? 'remove "cri" from disabled_plugins in its config.toml and restart it (containerd 1.6 or newer)'
      : 'see its log, or leave --container-runtime-endpoint out to use a containerd of our own';
    throw new TerminalError('RUNTIME_FOREIGN', `${socketPath} does not speak CRI v1: ${describeError(cause)}`, {
      cause,
      hint,
    });
  } finally {
    cri.close();
  }
}

import { WherryError } from '../core/errors.ts';

/** Throws unless the caller is root: containers, mounts and network rules need it. */
export function requireRoot(command: string): void {
  if (process.getuid?.() === 0) return;
  throw new WherryError(
    'NOT_ROOT',
    `wherry ${command} needs root: it starts containers and changes mounts and network rules`,
    {
      hint: `sudo ./wherry ${command}`,
    },
  );
}

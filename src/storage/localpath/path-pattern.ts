import path from 'node:path';
import { TerminalError } from '../../core/errors.ts';
import type { PersistentVolumeClaim } from '../../kube/types.gen.ts';

/**
 * The folder of a volume below its base path, from a StorageClass's pathPattern: a text in which `{{ .PVName }}`,
 * `{{ .PVC.Name }}`, `{{ .PVC.Namespace }}`, `{{ .PVC.UID }}`, `{{ .PVC.Labels.x }}`, `{{ .PVC.Annotations.x }}` and
 * `{{ index .PVC.Annotations "a/b" }}` are replaced. Throws TerminalError when a value is missing, or when the result
 * would leave the base path or be the base path itself.
 */
export function expandPathPattern(pattern: string, volumeName: string, claim: PersistentVolumeClaim): string {
  const expanded = pattern.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_, expression: string) => {
    const value = fieldOf(expression, volumeName, claim);
    if (value === undefined || value === '') throw bad(pattern, `${expression} has no value for this claim`);
    return value;
  });
  const folder = path.posix.normalize(expanded);
  if (
    path.posix.isAbsolute(folder) ||
    folder === '.' ||
    folder === '..' ||
    folder.startsWith('../') ||
    folder.includes('\0')
  ) {
    throw bad(pattern, `${JSON.stringify(expanded)} is not below the base path`);
  }
  return folder.replace(/\/+$/, '');
}

function fieldOf(expression: string, volumeName: string, claim: PersistentVolumeClaim): string | undefined {
  const { name, namespace, uid, labels, annotations } = claim.metadata;
  const simple: Readonly<Record<string, string | undefined>> = {
    '.PVName': volumeName,
    '.PVC.Name': name,
    '.PVC.Namespace': namespace,
    '.PVC.UID': uid,
  };
  if (Object.hasOwn(simple, expression)) return simple[expression];
  const member =
    /^\.PVC\.(Labels|Annotations)\.([A-Za-z_]\w*)$/.exec(expression) ??
    /^index\s+\.PVC\.(Labels|Annotations)\s+"([^"]+)"$/.exec(expression);
  if (member === null) return undefined;
  return (member[1] === 'Labels' ? labels : annotations)?.[member[2] ?? ''];
}

function bad(pattern: string, why: string): TerminalError {
  return new TerminalError('PATH_PATTERN', `pathPattern ${JSON.stringify(pattern)}: ${why}`, {
    hint: 'mend pathPattern in the StorageClass, or the labels and annotations of the claim that it uses',
  });
}

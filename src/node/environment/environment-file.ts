/**
 * Finds a variable in an environment file (KEP-3721): lines `NAME=value`, `NAME='value'` (which may span lines) or
 * `NAME="value"`; blank lines and lines that begin with # count for nothing. The last one of a name wins.
 */
export function findVariable(text: string, name: string): string | undefined {
  let found: string | undefined;
  const pattern = /^[ \t]*(?!#)(?:export[ \t]+)?([^=\s#][^=\s]*)[ \t]*=[ \t]*(?:'([^']*)'|"([^"]*)"|([^\n]*))[^\n]*$/gm;
  for (const [, key, single, double, plain] of text.matchAll(pattern))
    if (key === name) found = single ?? double ?? plain?.trim() ?? '';
  return found;
}

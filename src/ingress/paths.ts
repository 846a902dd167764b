/** Longest path or expression that is served. */
const pathCharactersMax = 1_024;

/** Why no request has such a path, or undefined. */
export function pathProblem(path: string): string | undefined {
  if (path.length > pathCharactersMax) return `has more than ${pathCharactersMax} characters`;
  return /^\/[\x21-\x7e]*$/.test(path) ? undefined : 'holds characters that a request never has (write them as %XX)';
}

/**
 * Why a path can't serve as a regular expression, or undefined. Taken is what all dialects read alike: classes, groups, repetition,
 * alternatives and the escapes of single characters; no look-around, no options, no verbs.
 */
export function patternProblem(path: string): string | undefined {
  const common = pathProblem(path);
  if (common !== undefined) return common;
  if (/\((?:\*|\?(?!:))/.test(path)) return 'holds a group that is more than a group';
  if (/\\(?![\\dDwWsSbB.\-/+*?()[\]{}|^$])/.test(path)) return 'holds an escape that is not understood';
  if (/\[\[?[:.=]/.test(path)) return 'holds a named class of characters';
  try {
    new RegExp(path);
    return undefined;
  } catch (error) {
    return `is no regular expression (${error instanceof Error ? error.message : String(error)})`;
  }
}

const reference = /\$(\$|\(([^)]*)\))/g;

/**
 * Replaces `$(NAME)` by the variable's value, as container specs mean it: `$$` is a dollar, and a name that is not known
 * stays as it is written.
 */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(reference, (whole, inner: string, name: string) =>
    inner === '$' ? '$' : (variables.get(name) ?? whole),
  );
}

/** The same, with the names that are not known: for fields where that is a mistake (subPathExpr). */
export function expandStrictly(
  text: string,
  variables: ReadonlyMap<string, string>,
): { readonly value: string; readonly missing: readonly string[] } {
  const missing: string[] = [];
  const value = text.replace(reference, (_whole, inner: string, name: string) => {
    if (inner === '$') return '$';
    const known = variables.get(name);
    if (known === undefined) missing.push(name);
    return known ?? '';
  });
  return { value, missing };
}

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

/** Reads an apiVersion as Kubernetes does: `v1`, `apps/v1`, nothing at all; undefined when it has more than one slash. */
export function parseGroupVersion(text: string): GroupVersion | undefined {
  if (text === '' || text === '/') return { group: '', version: '' };
  const [first = '', second, ...rest] = text.split('/');
  if (rest.length > 0) return undefined;
  return second === undefined ? { group: '', version: first } : { group: first, version: second };
}

export function unexpectedGroupVersion(text: string): string {
  return `unexpected GroupVersion string: ${text}`;
}

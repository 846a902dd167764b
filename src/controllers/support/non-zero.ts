type Given<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** The fields that are not zero, empty or absent: Kubernetes leaves those out of a status. */
export function nonZero<T extends Readonly<Record<string, unknown>>>(fields: T): Given<T> {
  const kept: Given<T> = {};
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined || value === null || value === 0 || value === '') continue;
    if (Array.isArray(value) && value.length === 0) continue;
    kept[key] = value;
  }
  return kept;
}

import type { CustomResourceDefinitionVersion } from '../../types.gen.ts';

/** Members of a version that upstream's internal form has once when all versions have the same. */
export type SharedMembers = Pick<
  CustomResourceDefinitionVersion,
  'schema' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields'
>;
/** Versions as messages show them: upstream's internal form, without what all versions have in common. */
export function internalVersions(
  versions: readonly CustomResourceDefinitionVersion[],
  shared: SharedMembers,
): readonly object[] {
  return versions.map((version) => ({
    Name: version.name,
    Served: version.served,
    Storage: version.storage,
    Deprecated: version.deprecated ?? false,
    DeprecationWarning: version.deprecationWarning ?? null,
    Schema: shared.schema === undefined ? internal(version.schema) : null,
    Subresources: shared.subresources === undefined ? internal(version.subresources) : null,
    AdditionalPrinterColumns:
      shared.additionalPrinterColumns === undefined ? internal(version.additionalPrinterColumns) : null,
    SelectableFields: shared.selectableFields === undefined ? internal(version.selectableFields) : null,
  }));
}

function internal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(internal);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.charAt(0).toUpperCase() + name.slice(1), internal(member)]),
  );
}

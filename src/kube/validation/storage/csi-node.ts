import { duplicate, type FieldError, invalid, required } from '../../field-error.ts';
import type { CSINode, CSINodeDriver } from '../../types.gen.ts';
import { type Errors, fieldIsImmutable, nonNegative, qualifiedName } from '../common.ts';
import { validateCsiDriverName } from '../core/volume-sources.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateObjectMeta } from '../meta.ts';

const nodeIdBytesMax = 256;

export function validateCsiNode({ spec }: CSINode): readonly FieldError[] {
  return [...driversErrors(spec?.drivers ?? [])];
}

export function validateCsiNodeUpdate(node: CSINode, old: CSINode): readonly FieldError[] {
  return [
    ...validateObjectMeta(node.metadata, { namespaced: false }),
    ...validateCsiNode(node),
    ...changedDrivers(node.spec?.drivers ?? [], old.spec?.drivers ?? []),
  ];
}

function* driversErrors(drivers: readonly CSINodeDriver[]): Errors {
  const names = new Set<string>();
  for (const [index, driver] of drivers.entries()) {
    const field = `spec.drivers[${index}]`;
    const { name = '', nodeID = '', allocatable, topologyKeys = [] } = driver;
    yield* validateCsiDriverName(name, `${field}.name`);
    if (nodeID === '') yield required(`${field}.nodeID`);
    else if (Buffer.byteLength(nodeID) > nodeIdBytesMax) {
      yield invalid(`${field}.nodeID`, nodeID, `must be ${nodeIdBytesMax} characters or less`);
    }
    yield* nonNegative(allocatable?.count, `${field}.allocatable.count`);
    if (names.has(name)) yield duplicate(`${field}.name`, name);
    names.add(name);
    yield* topologyKeysErrors(topologyKeys, field);
  }
}

function* topologyKeysErrors(keys: readonly string[], field: string): Errors {
  const seen = new Set<string>();
  for (const key of keys) {
    if (key === '') yield required(field);
    if (seen.has(key)) yield duplicate(field, key);
    seen.add(key);
    yield* qualifiedName(key, field);
  }
}

/** A driver that is there stays as it is, but for the number of volumes that it takes. */
function* changedDrivers(drivers: readonly CSINodeDriver[], old: readonly CSINodeDriver[]): Errors {
  for (const before of old) {
    for (const driver of drivers) {
      if (driver.name !== before.name) continue;
      const form = internalForm('CSINodeDriver', driver);
      const former = { ...internalForm('CSINodeDriver', before), Allocatable: form?.['Allocatable'] };
      if (!semanticallyEqual(form, former)) yield invalid('CSINodeDriver', form, fieldIsImmutable);
    }
  }
}

import type { Draft } from '../draft.ts';
import { customresourcedefinitions } from '../resources.gen.ts';
import type { CustomResourceDefinition } from '../types.gen.ts';
import { bumpGeneration, clearStatus, restore } from './status.ts';

/** The version in which objects are written is one that the store may hold from now on. */
function recordStoredVersion(definition: Draft<CustomResourceDefinition>): void {
  const version = (definition.spec.versions ?? []).find(({ storage }) => storage);
  if (version === undefined || definition.status === undefined) return;
  const stored = definition.status.storedVersions ?? [];
  definition.status.storedVersions = stored.includes(version.name) ? stored : [...stored, version.name];
}

export function prepareDefinitionForCreate(definition: Draft<CustomResourceDefinition>): void {
  clearStatus(customresourcedefinitions, definition);
  definition.metadata.generation = 1;
  recordStoredVersion(definition);
}

export function prepareDefinitionForUpdate(
  definition: Draft<CustomResourceDefinition>,
  old: CustomResourceDefinition,
): void {
  restore(definition, old, 'status');
  bumpGeneration(definition, old, 'spec');
  recordStoredVersion(definition);
}

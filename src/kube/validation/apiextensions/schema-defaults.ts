import type { JsonObject } from '../../../core/json.ts';
import type { JsonSchema } from '../../crd/json-schema.ts';
import { listErrors } from '../../crd/list-types.ts';
import { pruneUnknown } from '../../crd/prune.ts';
import { schemaErrors } from '../../crd/validate.ts';
import { type FieldError, invalid } from '../../field-error.ts';

/** Defaults that the schema itself would prune or refuse. */
export function* schemaDefaultErrors(schema: JsonSchema, path: string): Generator<FieldError, void> {
  const value = schema.default;
  if (value !== undefined) {
    const field = `${path}.default`;
    // Pruned as a member, so that a default is not taken for a resource with metadata of its own.
    const wrapped: JsonObject = { value };
    const { unknown } = pruneUnknown(wrapped, { type: 'object', properties: { value: schema } });
    if (unknown.length > 0) yield invalid(field, value, 'must not have unknown fields');
    else {
      yield* schemaErrors(schema, value, field);
      yield* listErrors(schema, value, field);
    }
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield* schemaDefaultErrors(property, `${path}.properties[${name}]`);
  }
  if (schema.items !== undefined) yield* schemaDefaultErrors(schema.items, `${path}.items`);
  if (typeof schema.additionalProperties === 'object') {
    yield* schemaDefaultErrors(schema.additionalProperties, `${path}.additionalProperties`);
  }
}

import type { JsonObject } from '../../core/json.ts';
import type { CustomRules } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { schemaOf } from '../schema/builtin.ts';
import { cannotBeHandled, decode } from '../schema/decode.ts';
import type { Field, ObjectSchema, Schema } from '../schema/schema.ts';
import type { JsonSchema } from './json-schema.ts';
import { pruneUnknown } from './prune.ts';

/** Reads bodies of a custom resource: metadata as every object has it, and of the rest what the schema knows. */
export function customDecoder(schema: JsonSchema, { version, kind }: Resource): CustomRules['decode'] {
  const groupVersionKind = { version, kind };
  return (value, { raw, fieldValidation }) => {
    const { object: metadata } = decode(schemaOf(objectMeta), value['metadata'] ?? {}, {
      fieldValidation: 'Ignore',
      groupVersionKind,
    });
    const { object: pruned, unknown } = pruneUnknown(value as JsonObject, schema);
    const object: Record<string, unknown> = { ...pruned, metadata };
    if (fieldValidation === 'Ignore') return { object, warnings: [] };
    const envelope = decode(envelopeSchema(), value, {
      fieldValidation: 'Warn',
      groupVersionKind,
      ...(raw === undefined ? {} : { raw }),
    });
    const isDuplicate = (text: string) => text.startsWith('duplicate');
    const strict = [
      ...envelope.warnings.filter(isDuplicate),
      ...[
        ...envelope.warnings.filter((text) => !isDuplicate(text)),
        ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
      ].sort(),
    ];
    if (strict.length > 0 && fieldValidation === 'Strict') {
      throw cannotBeHandled(groupVersionKind, `strict decoding error: ${strict.join(', ')}`);
    }
    return { object, warnings: strict };
  };
}

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const anything: Schema = { type: 'any', atomic: false };
let envelope: ObjectSchema | undefined;

function envelopeSchema(): ObjectSchema {
  const field = (schema: Schema): Field => ({ schema, required: false, patchStrategy: [] });
  const text: Schema = { type: 'scalar', scalar: 'string' };
  envelope ??= {
    type: 'object',
    atomic: false,
    additional: anything,
    fields: new Map([
      ['apiVersion', field(text)],
      ['kind', field(text)],
      ['metadata', field(schemaOf(objectMeta))],
    ]),
  };
  return envelope;
}

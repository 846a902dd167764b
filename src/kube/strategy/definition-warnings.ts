import { isKnownFormat } from '../crd/formats.ts';
import type { JsonSchema } from '../crd/json-schema.ts';
import { goQuote } from '../go-json.ts';
import type { CustomResourceDefinition } from '../types.gen.ts';

/** What a definition's author may have misspelt: a format that nobody knows checks nothing. */
export function definitionWarnings({ spec }: CustomResourceDefinition): readonly string[] {
  const formats = new Set<string>();
  for (const { schema } of spec.versions ?? []) {
    if (schema?.openAPIV3Schema !== undefined) collect(schema.openAPIV3Schema as JsonSchema, formats);
  }
  return [...formats].map((format) => `unrecognized format ${goQuote(format)}`);
}

function collect(schema: JsonSchema, formats: Set<string>): void {
  const { format = '', properties = {}, items, additionalProperties } = schema;
  if (format !== '' && !isKnownFormat(format)) formats.add(format);
  for (const property of Object.values(properties)) collect(property, formats);
  if (items !== undefined) collect(items, formats);
  if (typeof additionalProperties === 'object') collect(additionalProperties, formats);
}

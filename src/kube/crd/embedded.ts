import type { Json, JsonObject } from '../../core/json.ts';
import { type FieldError, invalid, required } from '../field-error.ts';
import { isDns1035Label } from '../names.ts';
import type { ObjectMeta } from '../object.ts';
import { isJsonArray, isJsonObject } from '../patch/json-object.ts';
import { validateObjectMeta } from '../validation/meta.ts';
import { type JsonSchema, memberSchema } from './json-schema.ts';

/** What is wrong with the type and the metadata of the resources embedded in a custom resource. */
export function embeddedErrors(schema: JsonSchema, value: Json, path = ''): readonly FieldError[] {
  if (isJsonArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((item, i) => embeddedErrors(items, item, `${path}[${i}]`));
  }
  if (!isJsonObject(value)) return [];
  const own = schema['x-kubernetes-embedded-resource'] === true ? resourceErrors(value, path) : [];
  const inner = Object.keys(value).flatMap((name) => {
    const member = memberSchema(schema, name);
    return member === undefined
      ? []
      : embeddedErrors(member, value[name] as Json, path === '' ? name : `${path}.${name}`);
  });
  return [...own, ...inner];
}

function resourceErrors(value: JsonObject, path: string): readonly FieldError[] {
  const { apiVersion, kind, metadata } = value;
  const errors: FieldError[] = [];
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    errors.push(required(`${path}.apiVersion`, 'must not be empty'));
  } else if (apiVersion.split('/').length > 2) {
    errors.push(invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  }
  if (typeof kind !== 'string' || kind === '') errors.push(required(`${path}.kind`, 'must not be empty'));
  else {
    const why = isDns1035Label(kind.toLowerCase());
    if (why.length > 0) {
      errors.push(invalid(`${path}.kind`, kind, `may have mixed case, but should otherwise match: ${why.join(',')}`));
    }
  }
  if (metadata === undefined || !isJsonObject(metadata)) return errors;
  const meta = metadata as unknown as ObjectMeta;
  const named = { ...meta, name: meta.name || 'fakename' };
  const rules = { namespaced: (meta.namespace ?? '') !== '', anyFinalizers: true };
  const found = validateObjectMeta(named, rules).map((error) => ({ ...error, field: `${path}.${error.field}` }));
  return [...errors, ...found];
}

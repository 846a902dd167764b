import type { JsonSchema } from '../../crd/json-schema.ts';
import { duplicate, type FieldError, invalid, required, tooMany } from '../../field-error.ts';
import type { CustomResourceColumnDefinition, CustomResourceSubresources, SelectableField } from '../../types.gen.ts';

type Errors = Generator<FieldError, void>;

/** The subresources of a version: where its scale finds its numbers. */
export function* subresourceErrors({ scale }: CustomResourceSubresources, path: string): Errors {
  if (scale === undefined) return;
  yield* pathUnder(scale.specReplicasPath, '.spec', `${path}.scale.specReplicasPath`);
  yield* pathUnder(scale.statusReplicasPath, '.status', `${path}.scale.statusReplicasPath`);
  const { labelSelectorPath } = scale;
  if (!labelSelectorPath) return;
  const field = `${path}.scale.labelSelectorPath`;
  const wrong = simplePathError(labelSelectorPath, field);
  if (wrong !== null) yield wrong;
  else if (!labelSelectorPath.startsWith('.spec.') && !labelSelectorPath.startsWith('.status.')) {
    yield invalid(field, labelSelectorPath, 'should be a json path under either .spec or .status');
  }
}

function* pathUnder(text: string, parent: string, field: string): Errors {
  if (text === '') {
    yield required(field);
    return;
  }
  const wrong = simplePathError(text, field);
  if (wrong !== null) yield wrong;
  else if (!text.startsWith(`${parent}.`)) yield invalid(field, text, `should be a json path under ${parent}`);
}

function simplePathError(text: string, field: string): FieldError | null {
  return text.startsWith('.') ? null : invalid(field, text, 'must be a simple json path starting with .');
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

export function* columnErrors(column: CustomResourceColumnDefinition, path: string): Errors {
  const { name, type, format = '', jsonPath } = column;
  if (name === '') yield required(`${path}.name`);
  const oneOfTypes = `must be one of ${columnTypes.join(',')}`;
  if (type === '') yield required(`${path}.type`, oneOfTypes);
  else if (!columnTypes.includes(type)) yield invalid(`${path}.type`, type, oneOfTypes);
  if (format !== '' && !columnFormats.includes(format)) {
    yield invalid(`${path}.format`, format, `must be one of ${columnFormats.join(',')}`);
  }
  if (jsonPath === '') yield required(`${path}.JSONPath`);
  else {
    const wrong = simplePathError(jsonPath, `${path}.JSONPath`);
    if (wrong !== null) yield wrong;
  }
}

const selectableFieldsMax = 8;
const selectable =
  'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';

export function* selectableFieldErrors(fields: readonly SelectableField[], schema: JsonSchema, path: string): Errors {
  if (fields.length > selectableFieldsMax) yield tooMany(path, fields.length, selectableFieldsMax);
  const seen = new Set<string>();
  for (const [i, { jsonPath }] of fields.entries()) {
    const field = `${path}[${i}].jsonPath`;
    if (jsonPath === '') {
      yield required(field);
      continue;
    }
    const found = fieldAt(jsonPath, schema);
    if (typeof found === 'string') yield invalid(field, jsonPath, `is an invalid path: ${found}`);
    else if (!['string', 'boolean', 'integer'].includes(found.type ?? '')) yield invalid(field, jsonPath, selectable);
    else if (seen.has(jsonPath)) yield duplicate(field, jsonPath);
    seen.add(jsonPath);
  }
}

// The schema that a path of names leads to, or why it leads nowhere.
function fieldAt(path: string, root: JsonSchema): JsonSchema | string {
  let rest = path;
  let schema = root;
  while (rest !== '') {
    const step = /^(?:\.([A-Za-z_][A-Za-z0-9_-]*)|\['((?:[^'\\]|\\.)*)'\])/.exec(rest);
    if (step === null) {
      const token = /^[A-Za-z0-9_-]+|^./.exec(rest)?.[0] ?? '';
      return token === '.' || token === '[' ? 'does not refer to a valid field' : `expected [ or . but got: ${token}`;
    }
    const name = step[1] ?? (step[2] ?? '').replace(/\\(.)/g, '$1');
    const inner = schema.properties?.[name];
    if (inner === undefined) return 'does not refer to a valid field';
    schema = inner;
    rest = rest.slice(step[0].length);
  }
  return schema;
}

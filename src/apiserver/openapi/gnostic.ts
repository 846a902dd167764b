import type { Swagger } from './swagger.ts';

type Members = Readonly<Record<string, unknown>>;

/**
 * A Swagger document in the protobuf form that kubectl up to 1.30 asks for: message openapi.v2.Document of gnostic
 * (openapiv2/OpenAPIv2.proto), with the numbers of its fields.
 */
export function encodeSwagger({ info, paths, definitions, securityDefinitions, security }: Swagger): Uint8Array {
  return Buffer.concat([
    text(1, '2.0'),
    message(2, [text(1, info.title), text(2, info.version)]),
    message(8, named(2, paths, pathItem)),
    message(9, named(1, definitions, schema)),
    ...security.map((one) =>
      message(
        12,
        named(1, one, (scopes) => strings(1, scopes)),
      ),
    ),
    message(
      13,
      named(1, securityDefinitions, (one) => [message(2, apiKey(membersOf(one)))]),
    ),
  ]);
}

type Parts = readonly Buffer[];

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

const lengthDelimited = 2;
const fixed64 = 1;

function delimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint(field * 8 + lengthDelimited), varint(bytes.length), bytes]);
}

function message(field: number, parts: Parts): Buffer {
  return delimited(field, Buffer.concat(parts));
}

function text(field: number, value: unknown): Buffer {
  return typeof value === 'string' && value !== '' ? delimited(field, Buffer.from(value)) : none;
}

function strings(field: number, values: unknown): Parts {
  return Array.isArray(values) ? values.map((value) => delimited(field, Buffer.from(String(value)))) : [];
}

function flag(field: number, value: unknown): Buffer {
  return value === true ? Buffer.concat([varint(field * 8), varint(1)]) : none;
}

function integer(field: number, value: unknown): Buffer {
  return typeof value === 'number' && value > 0 ? Buffer.concat([varint(field * 8), varint(value)]) : none;
}

function double(field: number, value: unknown): Buffer {
  if (typeof value !== 'number' || value === 0) return none;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([varint(field * 8 + fixed64), bytes]);
}

const none = Buffer.alloc(0);

// A map is a list of messages with a name (1) and a value (2).
function named(field: number, values: object, encode: (value: unknown) => Parts): Parts {
  return Object.entries(values).map(([name, value]) => message(field, [text(1, name), message(2, encode(value))]));
}

// Values of any kind are carried as YAML, of which JSON is a part.
function anyValue(value: unknown): Parts {
  return [text(2, `${JSON.stringify(value)}\n`)];
}

function extensions(field: number, members: Members): Parts {
  const own = Object.entries(members).filter(([name]) => name.startsWith('x-'));
  return named(field, Object.fromEntries(own), anyValue);
}

function apiKey({ type, name, in: place }: Members): Parts {
  return [text(1, type), text(2, name), text(3, place)];
}

const methods = { get: 2, put: 3, post: 4, delete: 5, options: 6, head: 7, patch: 8 } as const;

function pathItem(value: unknown): Parts {
  const members = membersOf(value);
  const operations = Object.entries(methods).flatMap(([method, field]) => {
    const one = members[method];
    return one === undefined ? [] : [message(field, operation(membersOf(one)))];
  });
  return [...operations, ...parameters(9, members['parameters'])];
}

function operation(members: Members): Parts {
  const responses = named(1, membersOf(members['responses']), (one) => [message(1, response(membersOf(one)))]);
  return [
    ...strings(1, members['tags']),
    text(5, members['operationId']),
    ...strings(6, members['produces']),
    ...strings(7, members['consumes']),
    ...parameters(8, members['parameters']),
    message(9, responses),
    ...strings(10, members['schemes']),
    ...extensions(13, members),
  ];
}

function response(members: Members): Parts {
  const body = members['schema'];
  return body === undefined ? [] : [message(2, [message(1, schema(body))])];
}

function parameters(field: number, values: unknown): Parts {
  if (!Array.isArray(values)) return [];
  return values.map((value) => message(field, [message(1, parameter(membersOf(value)))]));
}

function parameter(members: Members): Parts {
  const { name, in: place, required, type } = members;
  if (place === 'body') {
    const body = message(5, schema(members['schema']));
    return [message(1, [text(2, name), text(3, place), flag(4, required), body])];
  }
  const head = [flag(1, required), text(2, place), text(4, name)];
  const unique = members['uniqueItems'];
  if (place === 'path') return [message(2, [message(4, [...head, text(5, type), flag(19, unique)])])];
  return [message(2, [message(3, [...head, text(6, type), flag(20, unique)])])];
}

function schema(value: unknown): Parts {
  const members = membersOf(value);
  const { type, items, properties, additionalProperties } = members;
  const { default: fallback, example } = members;
  const values = members['enum'];
  return [
    text(1, members['$ref']),
    text(2, members['format']),
    text(3, members['title']),
    text(4, members['description']),
    ...(fallback === undefined ? [] : [message(5, anyValue(fallback))]),
    double(6, members['multipleOf']),
    double(7, members['maximum']),
    flag(8, members['exclusiveMaximum']),
    double(9, members['minimum']),
    flag(10, members['exclusiveMinimum']),
    integer(11, members['maxLength']),
    integer(12, members['minLength']),
    text(13, members['pattern']),
    integer(14, members['maxItems']),
    integer(15, members['minItems']),
    flag(16, members['uniqueItems']),
    integer(17, members['maxProperties']),
    integer(18, members['minProperties']),
    ...strings(19, members['required']),
    ...(Array.isArray(values) ? values.map((one) => message(20, anyValue(one))) : []),
    ...(isMembers(additionalProperties) ? [message(21, [message(1, schema(additionalProperties))])] : []),
    ...(typeof type === 'string' ? [message(22, [text(1, type)])] : []),
    ...(isMembers(items) ? [message(23, [message(1, schema(items))])] : []),
    ...(isMembers(properties) ? [message(25, named(1, properties, schema))] : []),
    ...(example === undefined ? [] : [message(30, anyValue(example))]),
    ...extensions(31, members),
  ];
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function membersOf(value: unknown): Members {
  return isMembers(value) ? value : {};
}

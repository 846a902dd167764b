import { isObject, type Json, type JsonObject, setMember } from '../../core/json.ts';
import { byBytes } from '../go-json.ts';
import type { Message, MessageField } from './messages.ts';

const orders = new WeakMap<Message, readonly MessageField[]>();

/**
 * A built-in object as Go writes it: members in the order of the struct's fields, those of maps sorted. Messages that
 * quote a whole object show it so. Returns a new value.
 */
export function inGoOrder({ kind, apiVersion, ...members }: JsonObject, message: Message): JsonObject {
  return {
    ...(kind !== undefined && { kind }),
    ...(apiVersion !== undefined && { apiVersion }),
    ...structInOrder(members, message),
  };
}

// What Go does not know comes last.
function structInOrder(object: JsonObject, message: Message): JsonObject {
  const ordered: Record<string, Json> = {};
  for (const field of orderOf(message)) {
    const value = object[field.name];
    if (value !== undefined)
      ordered[field.name] = field.shape === 'map' ? mapInOrder(value, field) : inOrder(value, field);
  }
  for (const [name, value] of Object.entries(object)) {
    if (!Object.hasOwn(ordered, name)) setMember(ordered, name, value);
  }
  return ordered;
}

// The fields with those of embedded structs where the struct stands.
function orderOf(message: Message): readonly MessageField[] {
  const known = orders.get(message);
  if (known !== undefined) return known;
  const order = [...message.byNumber.values()].flatMap((field): readonly MessageField[] =>
    field.shape === 'embedded' && 'message' in field.type ? orderOf(field.type.message) : [field],
  );
  orders.set(message, order);
  return order;
}

function inOrder(value: Json, field: MessageField): Json {
  if (field.type.kind !== 'message') return value;
  if (Array.isArray(value)) return value.map((item: Json) => inOrder(item, field));
  return isObject(value) ? structInOrder(value as JsonObject, field.type.message) : value;
}

function mapInOrder(value: Json, field: MessageField): Json {
  if (!isObject(value)) return value;
  const sorted: Record<string, Json> = {};
  for (const [name, item] of Object.entries(value as JsonObject).sort(([a], [b]) => byBytes(a, b))) {
    setMember(sorted, name, inOrder(item, field));
  }
  return sorted;
}

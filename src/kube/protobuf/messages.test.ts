import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiVersionOf } from '../resource.ts';
import { builtinResources } from '../resources.gen.ts';
import { findSchema } from '../schema/builtin.ts';
import type { ObjectSchema, Schema } from '../schema/schema.ts';
import { type Message, messageOf, type ValueType } from './messages.ts';

function object(schema: Schema): ObjectSchema | undefined {
  if (schema.type === 'object') return schema;
  if (schema.type === 'list') return object(schema.items);
  if (schema.type === 'map') return object(schema.values);
  return schema.type === 'any' ? schema.objects : undefined;
}

/** The members of a message's JSON object, those of embedded structs among them. */
function members(message: Message): Map<string, ValueType> {
  const all = new Map([...message.byName.values()].map(({ name, type }) => [name, type]));
  for (const { type } of message.embedded) {
    if (type.kind === 'message') for (const [name, inner] of members(type.message)) all.set(name, inner);
  }
  return all;
}

describe('the messages of built-in kinds', () => {
  it('are there for every resource and its list', () => {
    for (const resource of builtinResources) {
      const apiVersion = apiVersionOf(resource);
      assert.ok(messageOf(apiVersion, resource.kind), `${apiVersion} ${resource.kind}`);
      if (resource.verbs.includes('list')) assert.ok(messageOf(apiVersion, resource.listKind), resource.listKind);
    }
    for (const kind of ['Status', 'DeleteOptions', 'APIGroupList', 'APIResourceList', 'WatchEvent']) {
      assert.ok(messageOf('v1', kind), kind);
    }
    assert.ok(messageOf('meta.k8s.io/v1', 'PartialObjectMetadataList'));
    assert.ok(messageOf('autoscaling/v1', 'Scale'));
    assert.ok(messageOf('policy/v1', 'Eviction'));
    assert.ok(messageOf('authentication.k8s.io/v1', 'TokenRequest'));
  });

  it('have the fields that the API documents say, and no others', () => {
    const seen = new Set<Message>();
    const compare = (message: Message, schema: ObjectSchema, path: string) => {
      if (seen.has(message)) return;
      seen.add(message);
      const own = members(message);
      const documented = [...schema.fields.keys()].filter((name) => name !== 'kind' && name !== 'apiVersion');
      const fields = [...own.keys()].filter((name) => name !== 'kind' && name !== 'apiVersion');
      assert.deepEqual(fields.toSorted(), documented.toSorted(), path);
      for (const [name, field] of schema.fields) {
        const inner = object(field.schema);
        const type = own.get(name);
        if (inner !== undefined && type !== undefined && 'message' in type && type.kind !== 'slice') {
          compare(type.message, inner, `${path}.${name}`);
        }
      }
    };
    for (const resource of builtinResources) {
      const message = messageOf(apiVersionOf(resource), resource.kind);
      const schema = resource.typeName === null ? undefined : findSchema(resource.typeName);
      if (message !== undefined && schema !== undefined) compare(message, schema, resource.kind);
    }
    assert.ok(seen.size > 400, `${seen.size} messages were compared`);
  });
});

import type { Json, JsonObject } from '../../core/json.ts';
import { isObject } from '../../core/json.ts';
import { byBytes } from '../../kube/go-json.ts';
import type { KubeObject } from '../../kube/object.ts';
import { goFormat } from '../../kube/patch/go-format.ts';
import { applyJsonPatch, decodeJsonPatch } from '../../kube/patch/json-patch.ts';
import { applyMergePatch, decodeMergePatch } from '../../kube/patch/merge-patch.ts';
import { PatchError } from '../../kube/patch/patch-error.ts';
import { applyStrategicMergePatch } from '../../kube/patch/strategic-merge-patch.ts';
import { inGoOrder } from '../../kube/protobuf/go-order.ts';
import { messageOf } from '../../kube/protobuf/messages.ts';
import { isGoStruct } from '../../kube/schema/builtin.ts';
import type { ObjectSchema } from '../../kube/schema/schema.ts';
import type { Body } from '../answer.ts';
import {
  badRequest,
  entityTooLarge,
  failure,
  plainError,
  unsupportedMediaType,
  unsupportedPatchType,
} from '../errors.ts';
import { bodyLimitBytes } from '../http/body.ts';
import { parseJson, parseYaml, SyntaxFault } from './codec.ts';

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

const typeOfMedia: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};
const accepted = Object.keys(typeOfMedia);

/** Throws UnsupportedMediaType; custom resources have no strategic merge patch. */
export function patchTypeOf(contentType: string, isCustom: boolean): PatchType {
  const types = accepted.filter((type) => !(isCustom && type.startsWith('application/strategic')));
  const type = typeOfMedia[contentType];
  if (type === undefined || !types.includes(contentType)) {
    throw isCustom ? unsupportedMediaType(types) : unsupportedPatchType();
  }
  return type;
}

/** A patch that was read and whose form was checked. */
export interface ParsedPatch {
  apply(document: JsonObject, schema: ObjectSchema | null): Json;
  /**
   * How a message shows what could not be decoded after the patch, and why: strategic merge patches show themselves, the
   * others what they made of the document, in the order in which Go writes it.
   */
  refusal(document: JsonObject, why: string): { readonly shown: string; readonly why: string };
}

/** Throws StatusError in upstream's words for a patch that can't be read. */
export function parsePatch(type: Exclude<PatchType, 'apply'>, body: Body): ParsedPatch {
  // A strategic merge patch is read without a word of what was read.
  const prefix = type === 'strategic' ? '' : decodingPatch;
  const value = readValue(body, prefix) as Json;
  const read = () => (type === 'json' ? decodeJsonPatch(value) : decodeMergePatch(value));
  const prepared = carefully(read, (message) => message.replace(decodingPatch, prefix));
  const apply = (document: JsonObject, schema: ObjectSchema | null): Json =>
    carefully(() => {
      if (type === 'json') return applyJsonPatch(document, decodeJsonPatch(value));
      const patch = prepared as JsonObject;
      if (type === 'strategic' && schema !== null) return applyStrategicMergePatch(document, patch, schema);
      return applyMergePatch(document, patch);
    });
  return {
    apply,
    refusal(document, why) {
      if (type === 'strategic') return { shown: goFormat(prepared as JsonObject), why: unstructuredReason(why) };
      const { apiVersion, kind } = document;
      const message =
        typeof apiVersion === 'string' && typeof kind === 'string' ? messageOf(apiVersion, kind) : undefined;
      const patched = apply(message === undefined ? document : inGoOrder(document, message), null);
      const opened = type === 'merge' ? (prepared as JsonObject) : {};
      return { shown: JSON.stringify(withSortedMembers(patched, opened)), why };
    },
  };
}

// The patch libraries of Kubernetes sort the members of what they open: the document, and what a merge patch reaches into.
function withSortedMembers(value: Json, opened: JsonObject): Json {
  if (!isObject(value)) return value;
  const members = Object.entries(value as JsonObject).sort(([a], [b]) => byBytes(a, b));
  return Object.fromEntries(
    members.map(([name, member]) => {
      const inner = opened[name];
      return [name, isObject(inner) ? withSortedMembers(member, inner as JsonObject) : member];
    }),
  );
}

const unmarshalFailure = /^json: cannot unmarshal (\S+).* into Go (?:struct field \S+|value) of type (\S+)$/;
const goKinds: Readonly<Record<string, string>> = { object: 'map', array: 'slice', number: 'int64' };

// What strategic merge patches make is no JSON text: it is decoded by another decoder, with words of its own.
function unstructuredReason(why: string): string {
  const [, found, wanted] = unmarshalFailure.exec(why) ?? [];
  if (found === undefined || wanted === undefined) return why;
  const kind = goKinds[found] ?? found;
  if (wanted.startsWith('[]')) return `cannot restore slice from ${kind}`;
  if (wanted.startsWith('map[')) return `cannot restore map from ${kind}`;
  if (isGoStruct(wanted)) return `cannot restore struct from: ${kind}`;
  return `unrecognized type: ${wanted.includes('.') ? 'string' : wanted}`;
}

/** The configuration of a server-side apply. */
export function parseConfiguration(body: Body): JsonObject {
  if (body.type === 'value') return body.value as JsonObject;
  let value: unknown;
  try {
    const text = body.bytes.toString('utf8');
    value = text.trimStart().startsWith('{') ? parseJsonOrYaml(body.bytes) : parseYaml(text);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxFault)) throw thrown;
    throw badRequest(`error decoding YAML: ${thrown.message}`);
  }
  if (!isObject(value)) {
    throw badRequest('error decoding YAML: json: cannot unmarshal into Go value of type map[string]interface {}');
  }
  return value as JsonObject;
}

function parseJsonOrYaml(bytes: Buffer): unknown {
  try {
    return parseJson(bytes);
  } catch {
    return parseYaml(bytes.toString('utf8'));
  }
}

const decodingPatch = 'error decoding patch: ';

function readValue(body: Body, prefix: string): unknown {
  if (body.type === 'value') return body.value;
  try {
    return parseJson(body.bytes);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxFault)) throw thrown;
    throw badRequest(prefix + thrown.message);
  }
}

function carefully<T>(apply: () => T, words: (message: string) => string = (message) => message): T {
  try {
    return apply();
  } catch (thrown) {
    if (!(thrown instanceof PatchError)) throw thrown;
    switch (thrown.kind) {
      case 'bad-request':
        throw badRequest(words(thrown.message));
      case 'unprocessable':
        throw failure({
          code: 422,
          reason: 'Invalid',
          message: 'the server rejected our request due to an error in our request',
          details: {},
        });
      case 'too-large':
        throw entityTooLarge(bodyLimitBytes);
      default:
        throw plainError(thrown.message);
    }
  }
}

/** True when a patch left everything as it was. */
export function isUntouched(before: KubeObject, after: Json): boolean {
  return (after as unknown) === before;
}

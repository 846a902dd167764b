import type { Json, JsonObject } from '../../core/json.ts';
import { byBytes } from '../go-json.ts';
import { goJsonType } from './go-format.ts';
import { isJsonArray, isJsonObject, jsonEqual, maxNesting, member, nestsDeeper, setMember } from './json-object.ts';
import { checkNesting, PatchError } from './patch-error.ts';

/** One operation of RFC 6902. Members are checked when it is carried out, as the API server does. */
export interface JsonPatchOperation {
  readonly op?: string;
  readonly path?: string;
  readonly from?: string;
  /** Absent and null are the same to every operation. */
  readonly value?: Json;
}

/** Operations that one patch may hold. */
export const maxJsonPatchOperations = 10_000;
/** Bytes of JSON that the `copy` operations of one patch may copy in all. */
export const maxCopiedBytes = 3 * 1024 * 1024;

/** Checks the form of a JSON patch that was parsed from a request. */
export function decodeJsonPatch(patch: Json): readonly JsonPatchOperation[] {
  checkNesting(patch);
  if (patch === null) return [];
  if (!isJsonArray(patch)) throw malformed(goJsonType(patch), 'Go value of type []handlers.jsonPatchOp');
  if (patch.length > maxJsonPatchOperations) {
    throw new PatchError(
      'too-large',
      `The allowed maximum operations in a JSON patch is ${maxJsonPatchOperations}, got ${patch.length}`,
    );
  }
  return patch.map(decodeOperation);
}

function decodeOperation(operation: Json): JsonPatchOperation {
  if (operation === null) return {};
  if (!isJsonObject(operation)) throw malformed(goJsonType(operation), 'Go value of type handlers.jsonPatchOp');
  const decoded: { op?: string; path?: string; from?: string; value?: Json } = {};
  for (const key of ['op', 'from', 'path'] as const) {
    const text = member(operation, key);
    if (text === undefined || text === null) continue;
    if (typeof text !== 'string') {
      throw malformed(goJsonType(text), `Go struct field jsonPatchOp.${key} of type string`);
    }
    decoded[key] = text;
  }
  const value = member(operation, 'value');
  if (value !== undefined) decoded.value = value;
  return decoded;
}

function malformed(found: string, wanted: string): PatchError {
  return new PatchError('bad-request', `error decoding patch: json: cannot unmarshal ${found} into ${wanted}`);
}

/**
 * Carries out the operations one after the other; the first that fails fails the patch. As in the API server, `replace`
 * of an absent member adds it, `copy` of an absent member copies null, an absent value is null, negative indices count
 * from the end, and what stands before the first slash of a path is ignored. Returns a new document, in which the members
 * of every object that an operation opened are sorted: clients get to see that order in messages.
 */
export function applyJsonPatch(document: JsonObject, operations: readonly JsonPatchOperation[]): Json {
  const run = new Run(document);
  for (const operation of operations) run.carryOut(operation);
  if (nestsDeeper(run.root, maxNesting)) throw inapplicable('the patched document exceeds the maximum depth');
  return run.sorted(run.root);
}

type Container = { [key: string]: Json } | Json[];

// Containers are copied when they are first written to (`owned`), so that a long patch copies each at most once.
class Run {
  root: Json;
  readonly #owned = new WeakSet<object>();
  readonly #opened = new WeakSet<object>();
  #copiedBytes = 0;

  constructor(document: JsonObject) {
    this.root = document;
  }

  carryOut(operation: JsonPatchOperation): void {
    switch (operation.op) {
      case 'add':
        this.#add(pathOf(operation), operation.value ?? null, 'add');
        break;
      case 'remove':
        this.#remove(pathOf(operation), 'remove');
        break;
      case 'replace':
        this.#replace(pathOf(operation), operation.value ?? null);
        break;
      case 'move':
        this.#move(fromOf(operation), pathOf(operation));
        break;
      case 'copy':
        this.#copy(fromOf(operation), pathOf(operation));
        break;
      case 'test':
        this.#test(pathOf(operation), operation.value ?? null);
        break;
      default:
        throw inapplicable(`Unexpected kind: ${operation.op ?? 'unknown'}`);
    }
  }

  #add(path: string, value: Json, name: string): void {
    const { container, key } = this.#write(path, name);
    if (!Array.isArray(container)) {
      setMember(container, key, value);
      return;
    }
    if (key === '-') {
      container.push(value);
      return;
    }
    const size = container.length + 1;
    const index = indexOf(key);
    if (index >= size || index < -size) throw outOfBounds(index);
    container.splice(index < 0 ? index + size : index, 0, value);
  }

  #remove(path: string, name: string): void {
    const { container, key } = this.#write(path, name);
    if (Array.isArray(container)) {
      container.splice(existingIndex(container, key), 1);
      return;
    }
    if (!Object.hasOwn(container, key)) {
      throw inapplicable(
        `error in remove for path: '${path}': Unable to remove nonexistent key: ${key}: missing value`,
      );
    }
    delete container[key];
  }

  #replace(path: string, value: Json): void {
    if (path === '') {
      if (typeof value !== 'object' || value === null) {
        throw inapplicable('replace operation value must be object or array');
      }
      this.root = value;
      return;
    }
    const { container, key } = this.#write(path, 'replace');
    if (Array.isArray(container)) container[existingIndex(container, key)] = value;
    else setMember(container, key, value);
  }

  #move(from: string, path: string): void {
    const value = this.#get(from, 'move');
    this.#remove(from, 'move');
    this.#add(path, value, 'move');
  }

  #copy(from: string, path: string): void {
    const value = this.#get(from, 'copy');
    if (nestsDeeper(value, maxNesting)) throw inapplicable('the copied value exceeds the maximum depth');
    this.#copiedBytes += value === null ? 0 : Buffer.byteLength(JSON.stringify(value));
    if (this.#copiedBytes > maxCopiedBytes) {
      throw inapplicable(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${maxCopiedBytes}`,
      );
    }
    // Two places now hold the same value: neither may be written to in place.
    this.#disown(value);
    this.#add(path, value, 'copy');
  }

  #test(path: string, value: Json): void {
    if (!jsonEqual(this.#get(path, 'test'), value)) throw inapplicable(`testing value ${path} failed`);
  }

  #get(path: string, name: string): Json {
    const segments = segmentsOf(path);
    let at: Json | undefined = segments === null ? undefined : this.root;
    const parents = segments?.slice(0, -1) ?? [];
    for (const segment of parents) {
      if (typeof at === 'object' && at !== null) this.#opened.add(at);
      at = at === undefined ? undefined : childOf(at, segment);
    }
    if (at === undefined || typeof at !== 'object' || at === null) throw missing(name, path);
    this.#opened.add(at);
    const key = segments?.at(-1) ?? '';
    if (isJsonArray(at)) return at[existingIndex(at, key)] ?? null;
    return isJsonObject(at) ? (member(at, key) ?? null) : null;
  }

  /** The container that holds the last segment of `path`, copied as far as it is still shared. */
  #write(path: string, name: string): { readonly container: Container; readonly key: string } {
    const segments = segmentsOf(path);
    if (segments === null) throw missing(name, path);
    let container = this.#own(this.root);
    this.root = container;
    for (const segment of segments.slice(0, -1)) {
      const child = childOf(container, segment);
      if (typeof child !== 'object' || child === null) throw missing(name, path);
      const owned = this.#own(child);
      if (Array.isArray(container)) container[existingIndex(container, segment)] = owned;
      else setMember(container, segment, owned);
      container = owned;
    }
    return { container, key: segments.at(-1) ?? '' };
  }

  /** The value with the members of opened objects in order. What was not opened keeps the order that it had. */
  sorted(value: Json): Json {
    if (typeof value !== 'object' || value === null || !(this.#owned.has(value) || this.#opened.has(value)))
      return value;
    if (isJsonArray(value)) return value.map((item) => this.sorted(item));
    const result: { [key: string]: Json } = {};
    for (const key of Object.keys(value).sort(byBytes)) setMember(result, key, this.sorted(member(value, key) ?? null));
    return result;
  }

  #own(value: Json): Container {
    if (typeof value === 'object' && value !== null && this.#owned.has(value)) return value as Container;
    const copy: Container = isJsonArray(value) ? [...value] : { ...(value as JsonObject) };
    this.#owned.add(copy);
    return copy;
  }

  #disown(value: Json): void {
    if (typeof value !== 'object' || value === null || !this.#owned.delete(value)) return;
    for (const child of Object.values(value)) this.#disown(child);
  }
}

function childOf(container: Json, segment: string): Json | undefined {
  if (isJsonArray(container)) {
    const index = integerOf(segment);
    if (index === null || index >= container.length || index < -container.length) return undefined;
    return container[index < 0 ? index + container.length : index];
  }
  return isJsonObject(container) ? member(container, segment) : undefined;
}

/** The decoded segments behind the first slash; null for a path without a slash. */
function segmentsOf(path: string): readonly string[] | null {
  const segments = path.split('/');
  if (segments.length < 2) return null;
  return segments.slice(1).map((segment) => segment.replace(/~[01]/g, (code) => (code === '~1' ? '/' : '~')));
}

function existingIndex(array: readonly Json[], key: string): number {
  const index = indexOf(key);
  if (index >= array.length || index < -array.length) throw outOfBounds(index);
  return index < 0 ? index + array.length : index;
}

function indexOf(key: string): number {
  const index = integerOf(key);
  if (index === null) throw inapplicable(`strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`);
  return index;
}

function integerOf(key: string): number | null {
  return /^[+-]?\d{1,15}$/.test(key) ? Number(key) : null;
}

function pathOf(operation: JsonPatchOperation): string {
  if (operation.path === undefined) throw inapplicable('operation missing path field: missing value');
  return operation.path;
}

function fromOf(operation: JsonPatchOperation): string {
  if (operation.from === undefined) throw inapplicable('operation, missing from field: missing value');
  return operation.from;
}

function outOfBounds(index: number): PatchError {
  return inapplicable(`Unable to access invalid index: ${index}: invalid index referenced`);
}

function missing(name: string, path: string): PatchError {
  return inapplicable(`${name} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`);
}

function inapplicable(message: string): PatchError {
  return new PatchError('unprocessable', message);
}

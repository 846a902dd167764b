import type { Revision } from '../../datastore/backend.ts';
import type { KubeObject } from '../../kube/object.ts';

/**
 * One object at one revision: its encoded bytes, and its decoded form, which is made when somebody first asks. Both
 * are shared by all readers. Stored bytes are `{"kind":...,"apiVersion":...,"metadata":{...},...}` without a
 * resourceVersion, which is the revision of the write; reading puts it in.
 */
export class Entry {
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  /** Encoded, with resourceVersion and a newline behind it: the body of a GET. */
  readonly line: Buffer;
  #object: KubeObject | undefined;
  #metadataStart = -1;

  constructor(namespace: string, name: string, revision: Revision, line: Buffer, object?: KubeObject) {
    this.namespace = namespace;
    this.name = name;
    this.revision = revision;
    this.line = line;
    this.#object = object;
  }

  /** Encoded, with resourceVersion. */
  get bytes(): Buffer {
    return this.line.subarray(0, this.line.length - 1);
  }

  /** Shared: readers must not change it. */
  get object(): KubeObject {
    this.#object ??= JSON.parse(this.line.toString('utf8')) as KubeObject;
    return this.#object;
  }

  /** `namespace/name`, or `name` without a namespace. */
  get key(): string {
    return this.namespace === '' ? this.name : `${this.namespace}/${this.name}`;
  }

  /** Offset of `"metadata"` in the bytes: what precedes is kind and apiVersion, which list items of built-in kinds leave out. */
  get metadataStart(): number {
    if (this.#metadataStart < 0) this.#metadataStart = this.line.indexOf(metadataMember);
    return this.#metadataStart;
  }

  /** The same state under another revision: how a deletion shows what was deleted. */
  at(revision: Revision): Entry {
    const object = this.object;
    return encodeEntry(this.namespace, this.name, revision, object);
  }
}

const metadataMember = Buffer.from('"metadata":{');
const uidMember = Buffer.from('"uid":"');
const uidLength = 36;

// Behind the uid, or where metadata begins for objects that have none.
function versionOffset(source: Buffer): number {
  const start = source.indexOf(metadataMember) + metadataMember.length;
  const uid = source.indexOf(uidMember, start);
  const end = uid + uidMember.length + uidLength;
  const isFound = uid >= 0 && uid - start < uidSearchBytes && source[end] === quote && source[end + 1] === commaByte;
  return isFound ? end + 2 : start;
}

// Names, namespace and generateName are all that stands before the uid.
const uidSearchBytes = 2048;
const quote = 0x22;
const commaByte = 0x2c;

/** The bytes under which an object is stored. Kind, apiVersion and metadata come first; resourceVersion is left out. */
export function encodeStored(object: KubeObject): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object;
  const ordered = orderedMetadata({ ...metadata, resourceVersion: undefined });
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata: ordered, ...rest }));
}

/** An entry from what the datastore holds. `object`, when the caller has it, must be what `stored` encodes. */
export function decodeStored(
  namespace: string,
  name: string,
  revision: Revision,
  stored: Uint8Array,
  object?: KubeObject,
): Entry {
  const source = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const start = versionOffset(source);
  const comma = source[start] === closingBrace ? '' : ',';
  const member = `"resourceVersion":"${revision}"${comma}`;
  const line = Buffer.allocUnsafeSlow(source.length + member.length + 1);
  source.copy(line, 0, 0, start);
  line.write(member, start, 'latin1');
  source.copy(line, start + member.length, start);
  line[line.length - 1] = newline;
  if (object === undefined) return new Entry(namespace, name, revision, line);
  const metadata = orderedMetadata({ ...object.metadata, resourceVersion: String(revision) });
  return new Entry(namespace, name, revision, line, { ...object, metadata });
}

// The order in which Go writes ObjectMeta: what people read, and what error messages show, is the same everywhere.
const metadataOrder = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const;

function orderedMetadata(metadata: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const ordered: Record<string, unknown> = {};
  for (const name of metadataOrder) if (metadata[name] !== undefined) ordered[name] = metadata[name];
  return ordered;
}

const closingBrace = 0x7d;
const newline = 0x0a;

/** An entry of an object that is not (or no longer, or not in this version) stored. */
export function encodeEntry(namespace: string, name: string, revision: Revision, object: KubeObject): Entry {
  return decodeStored(namespace, name, revision, encodeStored(object), object);
}

import { parseDocument, YAMLParseError } from 'yaml';
import { isObject } from '../../core/json.ts';
import { invalid as invalidField } from '../../kube/field-error.ts';
import { goJson } from '../../kube/go-json.ts';
import type { CustomRules } from '../../kube/kind.ts';
import type { KubeObject } from '../../kube/object.ts';
import { decodeEnvelope, type Envelope, openEnvelope } from '../../kube/protobuf/decode.ts';
import { ProtobufError } from '../../kube/protobuf/wire-reader.ts';
import { cannotBeHandled, decode } from '../../kube/schema/decode.ts';
import type { Schema } from '../../kube/schema/schema.ts';
import type { Body } from '../answer.ts';
import { badRequest, invalid, noProtobuf, unsupportedMediaType } from '../errors.ts';
import { protobufType } from '../media-type.ts';
import type { FieldValidation } from '../options.ts';
import { goJsonError } from './go-json-error.ts';

/** Media types of request bodies that hold an object. */
export const objectMediaTypes = ['application/json', 'application/yaml', protobufType];

/** A body as a JSON value, before it is known to be anything. */
export interface ParsedBody {
  readonly value: unknown;
  /** The JSON text, where there was one: finds duplicate fields. */
  readonly raw?: Buffer;
  readonly bytes: Buffer;
}

/** Why a text is not the JSON or YAML that it claims to be. */
export class SyntaxFault extends Error {
  override readonly name = 'SyntaxFault';
}

const none = Buffer.alloc(0);

/** Reads JSON or YAML. Throws SyntaxFault with Go's text, UnsupportedMediaType for other media types. */
export function parseBody(body: Body, contentType: string): ParsedBody {
  if (body.type === 'value') return { value: body.value, bytes: none };
  const { bytes } = body;
  if (contentType === 'application/yaml') return { value: parseYaml(bytes.toString('utf8')), bytes };
  if (contentType !== '' && contentType !== 'application/json') throw unsupportedMediaType(objectMediaTypes);
  return { value: parseJson(bytes), raw: bytes, bytes };
}

/** JSON with Go's words for what is wrong with it. A lone surrogate becomes U+FFFD, as in Go. Throws SyntaxFault. */
export function parseJson(bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    return text.includes('\\u') ? wellFormed(value) : value;
  } catch (thrown) {
    throw new SyntaxFault(goJsonError(text) || String(thrown));
  }
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toWellFormed(), wellFormed(member)]));
}

/** The first YAML 1.1 document of a text, as JSON. Throws SyntaxFault. */
export function parseYaml(text: string): unknown {
  const first = text.split(/^---(?:\s|$)/m).find((part, index) => index > 0 || part.trim() !== '') ?? '';
  try {
    const document = parseDocument(first, { version: '1.1', schema: 'yaml-1.1', merge: true, uniqueKeys: true });
    const error = document.errors[0];
    if (error !== undefined) throw error;
    return jsonOf(document.toJS({ maxAliasCount: 100 }));
  } catch (thrown) {
    throw new SyntaxFault(`yaml: ${yamlMessage(thrown)}`);
  }
}

function jsonOf(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value === 'bigint') return Number(value);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, jsonOf(member)]));
}

function yamlMessage(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const anchor = /Unresolved alias.*?: (\S+)/.exec(thrown.message);
  if (anchor) return `unknown anchor '${anchor[1]}' referenced`;
  const line = thrown instanceof YAMLParseError ? thrown.linePos?.[0]?.line : undefined;
  const where = line === undefined || line < 2 ? '' : `line ${line}: `;
  const words = thrown instanceof YAMLParseError ? goYamlWords(thrown) : undefined;
  return where + (words ?? thrown.message.split('\n')[0]);
}

// What libyaml, and with it Go, says of the same mistake; undefined where the parsers see things differently.
function goYamlWords({ code, message }: YAMLParseError): string | undefined {
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'mapping values are not allowed in this context';
    case 'BAD_SCALAR_START':
    case 'TAB_AS_INDENT':
      return 'found character that cannot start any token';
    case 'MULTILINE_IMPLICIT_KEY':
      return "could not find expected ':'";
    case 'BAD_INDENT':
    case 'MISSING_CHAR':
      if (/Flow sequence|flow sequence/.test(message)) return "did not find expected ',' or ']'";
      if (/Flow map|flow map/.test(message)) return "did not find expected ',' or '}'";
      return /quote/.test(message) ? 'found unexpected end of stream' : 'did not find expected key';
    default:
      return undefined;
  }
}

/** What a body is to become. */
export interface Expected {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly schema: Schema;
  /** Custom resources are read by rules of their own. */
  readonly custom?: CustomRules;
  /** Finds other kinds that this server knows: a body may (wrongly) be one. */
  knows?(group: string, version: string, kind: string): Schema | undefined;
}

export interface DecodedObject {
  /** The caller's own; kind and apiVersion come first. */
  readonly object: KubeObject & Record<string, unknown>;
  readonly warnings: readonly string[];
}

/** Decodes a request's body as an object of the expected kind. Throws BadRequest in upstream's words. */
export function decodeBody(
  body: Body,
  contentType: string,
  expected: Expected,
  fieldValidation: FieldValidation,
): DecodedObject {
  if (body.type === 'bytes' && contentType === protobufType) return decodeProtobuf(body.bytes, expected);
  let parsed: ParsedBody;
  try {
    parsed = parseBody(body, contentType);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxFault) || body.type !== 'bytes') throw thrown;
    const why =
      contentType === 'application/yaml'
        ? thrown.message
        : `couldn't get version/kind; json parse error: ${thrown.message}`;
    throw unrecognized(expected, why, body.bytes);
  }
  return decodeValue(parsed, expected, fieldValidation);
}

/** The same for protobuf, whose fields that nobody knows are passed over whatever the field validation. */
function decodeProtobuf(bytes: Buffer, expected: Expected): DecodedObject {
  let envelope: Envelope;
  try {
    envelope = openEnvelope(bytes);
  } catch (thrown) {
    if (thrown instanceof ProtobufError) throw unrecognized(expected, thrown.message, bytes);
    throw thrown;
  }
  const expectedVersion = expected.group === '' ? expected.version : `${expected.group}/${expected.version}`;
  const apiVersion = envelope.apiVersion || expectedVersion;
  const kind = envelope.kind || expected.kind;
  const named = { version: splitApiVersion(apiVersion).version, kind, as: expected.kind };
  if (expected.custom !== undefined) throw cannotBeHandled(named, `object *unstructured.Unstructured ${noProtobuf}`);
  try {
    const value = decodeEnvelope({ ...envelope, apiVersion, kind }) ?? { kind, apiVersion };
    return decodeValue({ value, bytes }, expected, 'Ignore');
  } catch (thrown) {
    if (thrown instanceof ProtobufError) throw cannotBeHandled(named, thrown.message);
    throw thrown;
  }
}

/** The same for a value that was parsed before (a patched object). */
export function decodeValue(parsed: ParsedBody, expected: Expected, fieldValidation: FieldValidation): DecodedObject {
  const value = parsed.value ?? {};
  const fault = headFault(value);
  if (fault !== undefined) {
    throw unrecognized(expected, `couldn't get version/kind; json parse error: ${fault}`, parsed.bytes);
  }
  if (expected.custom !== undefined)
    return decodeCustom(expected.custom, value as Record<string, unknown>, parsed, expected, fieldValidation);
  const head = value as { readonly apiVersion?: string; readonly kind?: string };
  const expectedVersion = expected.group === '' ? expected.version : `${expected.group}/${expected.version}`;
  const apiVersion = head.apiVersion || expectedVersion;
  const kind = head.kind || expected.kind;
  const { group, version } = splitApiVersion(apiVersion);
  const isExpected = kind === expected.kind && apiVersion === expectedVersion;
  const schema = isExpected ? expected.schema : expected.knows?.(group, version, kind);
  const gvk = { version, kind, as: expected.kind };
  if (schema === undefined) {
    const where = 'in scheme "pkg/api/legacyscheme/scheme.go:30"';
    throw cannotBeHandled(
      gvk,
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} ${where}`,
    );
  }
  if (schema.type !== 'object')
    return { object: { ...(value as object), kind, apiVersion } as KubeObject & Record<string, unknown>, warnings: [] };
  const { object, warnings } = decode(schema, value, {
    ...(parsed.raw === undefined ? {} : { raw: parsed.raw }),
    fieldValidation,
    groupVersionKind: gvk,
  });
  if (kind !== expected.kind) {
    const names = `(${goName(group, version, kind)}) to (${goName(expected.group, '', expected.kind)})`;
    throw cannotBeHandled(gvk, `converting ${names}: unknown conversion`);
  }
  if (apiVersion !== expectedVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expectedVersion})`,
    );
  }
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  const result = { kind, apiVersion, metadata: isObject(metadata) ? metadata : {}, ...rest };
  // An empty list means nothing to any other field, but here it asks to forget who owns what.
  const given = isObject(value) && isObject(value['metadata']) ? value['metadata']['managedFields'] : undefined;
  if (Array.isArray(given) && given.length === 0) result.metadata['managedFields'] = [];
  return { object: result, warnings };
}

// Custom resources are told apart by what they say of themselves: nothing of that may be left out.
function decodeCustom(
  rules: CustomRules,
  value: Readonly<Record<string, unknown>>,
  parsed: ParsedBody,
  expected: Expected,
  fieldValidation: FieldValidation,
): DecodedObject {
  const { apiVersion, kind } = value as { readonly apiVersion?: string; readonly kind?: string };
  if (!kind || !apiVersion) {
    const missing = kind ? 'apiVersion' : 'Kind';
    const text = parsed.raw === undefined ? goJson(value) : parsed.raw.toString('utf8');
    const why = `Object '${missing}' is ${kind ? 'not set' : 'missing'} in '${text}'`;
    throw unrecognized(expected, why, parsed.raw ?? Buffer.from(text));
  }
  const { object, warnings } = rules.decode(value, {
    fieldValidation,
    ...(parsed.raw === undefined ? {} : { raw: parsed.raw }),
  });
  const expectedVersion = `${expected.group}/${expected.version}`;
  if (apiVersion !== expectedVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expectedVersion})`,
    );
  }
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  const meta = metadata as KubeObject['metadata'];
  if (kind !== expected.kind) {
    const named = { group: expected.group, kind };
    throw invalid(named, meta.name ?? '', [invalidField('kind', kind, `must be ${expected.kind}`)]);
  }
  return { object: { kind, apiVersion, metadata: meta, ...rest }, warnings };
}

function goName(group: string, version: string, kind: string): string {
  const goPackage = version === '' ? (group === '' ? 'core' : group.split('.')[0]) : version;
  return `${goPackage}.${kind}`;
}

export function splitApiVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

const headStruct =
  'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

function headFault(value: unknown): string | undefined {
  if (!isObject(value)) return `json: cannot unmarshal ${jsonType(value)} into ${headStruct}`;
  for (const field of ['apiVersion', 'kind'] as const) {
    const member = value[field];
    if (member === undefined || member === null || typeof member === 'string') continue;
    return `json: cannot unmarshal ${jsonType(member)} into Go struct field .${field} of type string`;
  }
  return undefined;
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function unrecognized(expected: Expected, why: string, bytes: Buffer) {
  return badRequest(
    `the object provided is unrecognized (must be of type ${expected.kind}): ${why} (${summarize(bytes)})`,
  );
}

const summaryLength = 30;

function summarize(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>';
  const head = bytes.subarray(0, summaryLength);
  return (
    (bytes[0] === 0x7b ? head.toString('utf8') : head.toString('hex')) + (bytes.length > summaryLength ? ' ...' : '')
  );
}

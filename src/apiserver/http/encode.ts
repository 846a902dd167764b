import { encodeEnvelope, isEncodable } from '../../kube/protobuf/encode.ts';
import { Entry } from '../cache/entry.ts';
import { notMarshalable } from '../errors.ts';
import { protobufType, type Serializer, type Target } from '../media-type.ts';
import { toYaml } from './yaml.ts';

const contentTypes: Readonly<Record<Serializer, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: protobufType,
};

/** Any value in the form asked for. Entries that need no change are their own bytes. */
export function encodeValue(value: Entry | object, target: Target): Buffer {
  if (value instanceof Entry) {
    if (target.serializer === 'json' && !target.pretty) return value.line;
    return encodeValue(value.object, target);
  }
  if (target.serializer === 'protobuf') return encodeProtobuf(value);
  if (target.serializer === 'yaml') return Buffer.from(toYaml(value));
  return Buffer.from(`${JSON.stringify(value, null, target.pretty ? 2 : undefined)}\n`);
}

// What has no protobuf form is refused, as upstream does.
function encodeProtobuf(value: object): Buffer {
  if (isEncodable(value)) return encodeEnvelope(value);
  const kind = 'kind' in value ? String(value.kind) : 'Object';
  throw notMarshalable(kind);
}

export function contentTypeOf(target: Target): string {
  return contentTypes[target.serializer];
}

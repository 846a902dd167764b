import { WherryError } from '../../core/errors.ts';
import type { ConfigMap, KeyToPath, Secret } from '../../kube/types.gen.ts';

/** What one file of a volume shall be. */
export interface PayloadFile {
  readonly data: Buffer;
  /** Permission bits. */
  readonly mode: number;
  /** Owner; absent: root. */
  readonly uid?: number;
}

/** The files of a volume by their paths relative to it. */
export type Payload = ReadonlyMap<string, PayloadFile>;

/** Which keys of a ConfigMap or Secret become which files. */
export interface KeySelection {
  readonly items: readonly KeyToPath[] | undefined;
  readonly defaultMode: number;
  readonly optional: boolean;
}

/** The files of a ConfigMap. Throws with kubelet's words when a key that is not optional is missing. */
export function configMapPayload(configMap: ConfigMap, selection: KeySelection): Payload {
  const data = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(configMap.data ?? {})) data.set(key, Buffer.from(text));
  for (const [key, base64] of Object.entries(configMap.binaryData ?? {})) data.set(key, Buffer.from(base64, 'base64'));
  return select(data, selection, 'configmap references non-existent config key');
}

/** The files of a Secret; as configMapPayload. */
export function secretPayload(secret: Secret, selection: KeySelection): Payload {
  const data = new Map<string, Buffer>();
  for (const [key, base64] of Object.entries(secret.data ?? {})) data.set(key, Buffer.from(base64, 'base64'));
  return select(data, selection, 'references non-existent secret key');
}

function select(data: ReadonlyMap<string, Buffer>, selection: KeySelection, missing: string): Payload {
  const { items, defaultMode, optional } = selection;
  if (items === undefined || items.length === 0)
    return new Map([...data].map(([key, bytes]) => [key, { data: bytes, mode: defaultMode }]));
  const files = new Map<string, PayloadFile>();
  for (const { key, path, mode } of items) {
    const bytes = data.get(key);
    if (bytes !== undefined) files.set(path, { data: bytes, mode: mode ?? defaultMode });
    else if (!optional) throw new WherryError('VOLUME_KEY_MISSING', `${missing}: ${key}`);
  }
  return files;
}

import { isGoPrintable } from '../go-json.ts';

/** Bytes that a field manager's name may have. */
export const maxManagerNameBytes = 128;

/** The manager of a request: its fieldManager parameter, or what stands before the first slash of its User-Agent. */
export function managerName(fieldManager: string | undefined, userAgent: string | undefined): string {
  if (fieldManager !== undefined && fieldManager !== '') return fieldManager;
  const program = (userAgent ?? '').split('/', 1)[0] ?? '';
  let name = '';
  let bytes = 0;
  for (const character of program) {
    if (!isGoPrintable(character)) continue;
    bytes += Buffer.byteLength(character);
    if (bytes > maxManagerNameBytes) break;
    name += character;
  }
  return name;
}

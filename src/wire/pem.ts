import { WherryError } from '../core/errors.ts';

/** One block of a PEM file (RFC 7468). */
export interface PemBlock {
  /** E.g. `CERTIFICATE`, `CERTIFICATE REQUEST`. */
  readonly label: string;
  readonly der: Buffer;
}

/** Renders one block, with lines of 64 characters and a final newline. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** All blocks of a text, in order; text between them is ignored. Throws WherryError BAD_PEM when a block is malformed. */
export function decodePem(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  const begin = /^-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?$/gm;
  for (let match = begin.exec(text); match !== null; match = begin.exec(text)) {
    const label = match[1] ?? '';
    const end = text.indexOf(`-----END ${label}-----`, begin.lastIndex);
    if (end < 0) throw new WherryError('BAD_PEM', `the PEM block ${label} has no end`);
    const body = text.slice(begin.lastIndex, end).replaceAll(/\s/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(body)) throw new WherryError('BAD_PEM', `the PEM block ${label} is not base64`);
    blocks.push({ label, der: Buffer.from(body, 'base64') });
    begin.lastIndex = end;
  }
  return blocks;
}

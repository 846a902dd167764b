import { WherryError } from '../../core/errors.ts';

/** One word of HAProxy's configuration, whatever it holds (configuration manual 2.2). Throws for control characters, which none may hold. */
export function word(text: string): string {
  if (!isPrintable(text)) throw new WherryError('NOT_PRINTABLE', `control characters in ${JSON.stringify(text)}`);
  return /^[\w./:*@,+=[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A word that HAProxy reads as a format: `%` stands for itself. */
export function format(text: string): string {
  return word(text.replaceAll('%', '%%'));
}

/** Whether a text can stand in a configuration or map at all. */
export function isPrintable(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  return !/[\u0000-\u001f\u007f]/.test(text);
}

import { readFile } from 'node:fs/promises';
import { WherryError } from '../core/errors.ts';

/** The text of a file that an option names. Throws WherryError FILE_UNREADABLE. */
export async function readGiven(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new WherryError('FILE_UNREADABLE', `${file} can't be read`, {
      cause,
      hint: `give ${option} a file that exists and that this user may read`,
    });
  }
}

/** What a test and a user-mode Linux host say to each other: a line of JSON each, bytes in base64. */

export type ToHost =
  /** The answer to `awake`: what every program starts with. */
  | { readonly environment: Readonly<Record<string, string | undefined>> }
  | {
      readonly id: number;
      readonly start: {
        readonly command: string;
        readonly args: readonly string[];
        readonly environment: Readonly<Record<string, string>>;
        readonly cwd: string;
      };
    }
  /** null ends the input. */
  | { readonly id: number; readonly input: string | null }
  | { readonly id: number; readonly signal: NodeJS.Signals };

export type FromHost =
  | { readonly awake: true }
  /** So many bytes of the line were read. */
  | { readonly read: number }
  | { readonly id: number; readonly output: 'stdout' | 'stderr'; readonly bytes: string }
  | { readonly id: number; readonly status: number };

/** Cuts what arrives into lines and hands on each as a message. */
export function lineReader<T>(receive: (message: T) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') receive(JSON.parse(line) as T);
  };
}

/**
 * The grammar of CoreDNS' Corefile, without its macros: server blocks, and directives with arguments and blocks of their
 * own. What the directives mean stands in custom-config.ts.
 */

export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  readonly block: readonly Directive[];
  readonly line: number;
}

export interface CorefileBlock {
  /** What stands in front of the brace: `example.local:53`. */
  readonly keys: readonly string[];
  readonly directives: readonly Directive[];
  readonly line: number;
}

/** The text breaks the grammar, or says something that is not known here. */
export class CorefileError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'CorefileError';
  }
}

interface Token {
  readonly text: string;
  readonly line: number;
  readonly isQuoted: boolean;
}

/** A deeper nesting is a mistake. */
const depthMax = 4;
/** What a ConfigMap holds. */
const charactersMax = 1024 * 1024;

/** Parses whole server blocks, as in a `*.server` key. Throws CorefileError. */
export function parseServerBlocks(source: string): readonly CorefileBlock[] {
  const tokens = tokenize(source);
  const blocks: CorefileBlock[] = [];
  for (let at = 0; at < tokens.length; ) {
    const line = tokens[at]?.line ?? 0;
    const keys: string[] = [];
    while (at < tokens.length && !isBrace(tokens[at], '{')) {
      const token = tokens[at];
      if (token === undefined || isBrace(token, '}'))
        throw new CorefileError(token?.line ?? line, 'a "}" without its "{"');
      keys.push(...token.text.split(',').filter((key) => key !== ''));
      at += 1;
    }
    if (at >= tokens.length) throw new CorefileError(line, `no "{" follows ${JSON.stringify(keys.join(' '))}`);
    if (keys.length === 0) throw new CorefileError(line, 'a server block without a zone');
    const { directives, next } = parseDirectives(tokens, at + 1, line, 1);
    blocks.push({ keys, directives, line });
    at = next;
  }
  return blocks;
}

/** Parses directives alone, as in a `*.override` key. Throws CorefileError. */
export function parseOverride(source: string): readonly Directive[] {
  const tokens = tokenize(source);
  const last = tokens.at(-1)?.line ?? 1;
  const { directives, next } = parseDirectives([...tokens, { text: '}', line: last + 1, isQuoted: false }], 0, last, 1);
  if (next <= tokens.length) throw new CorefileError(tokens[next - 1]?.line ?? last, 'a "}" without its "{"');
  return directives;
}

/** Directives from `at` up to the brace that ends them; `next` is behind it. */
function parseDirectives(
  tokens: readonly Token[],
  start: number,
  opened: number,
  depth: number,
): { readonly directives: readonly Directive[]; readonly next: number } {
  if (depth > depthMax) throw new CorefileError(opened, 'blocks are nested too deeply');
  const directives: Directive[] = [];
  let at = start;
  for (;;) {
    const first = tokens[at];
    if (first === undefined) throw new CorefileError(opened, 'this "{" is never closed');
    if (isBrace(first, '}')) return { directives, next: at + 1 };
    if (isBrace(first, '{')) throw new CorefileError(first.line, 'a "{" without a directive in front');
    at += 1;
    const args: string[] = [];
    let block: readonly Directive[] = [];
    for (let token = tokens[at]; token !== undefined && token.line === first.line; token = tokens[at]) {
      if (isBrace(token, '}')) break;
      at += 1;
      if (isBrace(token, '{')) {
        const inner = parseDirectives(tokens, at, token.line, depth + 1);
        block = inner.directives;
        at = inner.next;
        break;
      }
      args.push(token.text);
    }
    directives.push({ name: first.text, args, block, line: first.line });
  }
}

function isBrace(token: Token | undefined, brace: '{' | '}'): boolean {
  return token !== undefined && !token.isQuoted && token.text === brace;
}

function tokenize(source: string): readonly Token[] {
  if (source.length > charactersMax) throw new CorefileError(1, 'the text is too long');
  const tokens: Token[] = [];
  for (const [index, text] of source.split('\n').entries()) {
    const line = index + 1;
    const pattern = /\s+|"((?:[^"\\]|\\.)*)"|(#.*)|([^\s"]\S*)|(")/gy;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const [, quoted, comment, word, open] = match;
      if (open !== undefined) throw new CorefileError(line, 'a quotation mark is not closed on its line');
      if (comment !== undefined) break;
      if (quoted !== undefined) tokens.push({ text: quoted.replace(/\\(.)/g, '$1'), line, isQuoted: true });
      else if (word !== undefined) tokens.push({ text: word, line, isQuoted: false });
    }
  }
  return tokens;
}

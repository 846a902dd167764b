import { goQuote } from './go-json.ts';

/**
 * What Go's encoding/json says when a text can't be read into a map: undefined when it is an object or null. The texts
 * name the first offending character and where the parser stood.
 */
export function goJsonSyntaxError(text: string): string | undefined {
  const problem = new Scanner(text).firstProblem();
  if (problem !== undefined) return problem;
  const kind = kindOf(text);
  return kind === undefined
    ? undefined
    : `json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`;
}

function kindOf(text: string): string | undefined {
  const value: unknown = JSON.parse(text);
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined;
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

const unexpectedEnd = 'unexpected end of JSON input';
const space = /[ \t\r\n]/;

/** Thrown within the scanner to leave it at the first problem. */
class Problem {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  firstProblem(): string | undefined {
    try {
      this.#value('looking for beginning of value');
      this.#skipSpace();
      if (this.#position < this.#text.length) this.#refuse('after top-level value');
      return undefined;
    } catch (thrown) {
      if (thrown instanceof Problem) return thrown.text;
      throw thrown;
    }
  }

  #refuse(context: string): never {
    const character = this.#text[this.#position];
    if (character === undefined) throw new Problem(unexpectedEnd);
    throw new Problem(`invalid character ${quoteCharacter(character)} ${context}`);
  }

  #skipSpace(): void {
    while (space.test(this.#text[this.#position] ?? '')) this.#position++;
  }

  #value(context: string): void {
    this.#skipSpace();
    const character = this.#text[this.#position] ?? '';
    if (character === '{') this.#object();
    else if (character === '[') this.#array();
    else if (character === '"') this.#string();
    else if (/[-\d]/.test(character)) this.#number();
    else if ('tfn'.includes(character) && character !== '') this.#literal(character);
    else this.#refuse(context);
  }

  #object(): void {
    this.#position++;
    this.#skipSpace();
    if (this.#take('}')) return;
    for (;;) {
      this.#skipSpace();
      if (this.#text[this.#position] !== '"') this.#refuse('looking for beginning of object key string');
      this.#string();
      this.#skipSpace();
      if (!this.#take(':')) this.#refuse('after object key');
      this.#value('looking for beginning of value');
      this.#skipSpace();
      if (this.#take('}')) return;
      if (!this.#take(',')) this.#refuse('after object key:value pair');
    }
  }

  #array(): void {
    this.#position++;
    this.#skipSpace();
    if (this.#take(']')) return;
    for (;;) {
      this.#value('looking for beginning of value');
      this.#skipSpace();
      if (this.#take(']')) return;
      if (!this.#take(',')) this.#refuse('after array element');
    }
  }

  #string(): void {
    this.#position++;
    for (;;) {
      const character = this.#text[this.#position];
      if (character === undefined || character < ' ') this.#refuse('in string literal');
      if (this.#take('"')) return;
      if (this.#take('\\')) this.#escape();
      else this.#position++;
    }
  }

  #escape(): void {
    if (this.#take('u')) {
      for (let digit = 0; digit < 4; digit++) {
        if (!/[\da-fA-F]/.test(this.#text[this.#position] ?? '')) this.#refuse('in \\u hexadecimal character escape');
        this.#position++;
      }
    } else if (/["\\/bfnrt]/.test(this.#text[this.#position] ?? '')) this.#position++;
    else this.#refuse('in string escape code');
  }

  #number(): void {
    this.#take('-');
    if (!this.#take('0')) this.#digits('in numeric literal');
    if (this.#take('.')) this.#digits('after decimal point in numeric literal');
    if (this.#take('e') || this.#take('E')) {
      if (!this.#take('+')) this.#take('-');
      this.#digits('in exponent of numeric literal');
    }
  }

  #digits(context: string): void {
    if (!/\d/.test(this.#text[this.#position] ?? '')) this.#refuse(context);
    while (/\d/.test(this.#text[this.#position] ?? '')) this.#position++;
  }

  #literal(first: string): void {
    const word = first === 't' ? 'true' : first === 'f' ? 'false' : 'null';
    for (const expected of word) {
      if (!this.#take(expected)) this.#refuse(`in literal ${word} (expecting ${quoteCharacter(expected)})`);
    }
  }

  #take(character: string): boolean {
    if (this.#text[this.#position] !== character) return false;
    this.#position++;
    return true;
  }
}

/** Go quotes single characters: 'x', '\'' and '"' as they are. */
function quoteCharacter(character: string): string {
  if (character === "'") return "'\\''";
  if (character === '"') return "'\"'";
  return `'${goQuote(character).slice(1, -1)}'`;
}

/**
 * Why Go's encoding/json refuses a text, in its words: `invalid character 'b' looking for beginning of object key
 * string`. For texts that JSON.parse refused; empty when nothing is wrong.
 */
export function goJsonError(text: string): string {
  const scanner = new Scanner(text);
  scanner.document();
  return scanner.error;
}

const endOfInput = 'unexpected end of JSON input';

class Scanner {
  error = '';
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#space();
    if (!this.#value('looking for beginning of value')) return;
    this.#space();
    if (this.#at < this.#text.length) this.#invalid('after top-level value');
  }

  #value(context: string): boolean {
    const character = this.#text[this.#at];
    switch (character) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true');
      case 'f':
        return this.#word('false');
      case 'n':
        return this.#word('null');
      default:
        if (character === '-' || isDigit(character)) return this.#number();
        return this.#invalid(context);
    }
  }

  #object(): boolean {
    this.#at += 1;
    this.#space();
    if (this.#text[this.#at] === '}') return this.#skip();
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') return this.#invalid('looking for beginning of object key string');
      if (!this.#string()) return false;
      this.#space();
      if (this.#text[this.#at] !== ':') return this.#invalid('after object key');
      this.#at += 1;
      this.#space();
      if (!this.#value('looking for beginning of value')) return false;
      this.#space();
      if (this.#text[this.#at] === '}') return this.#skip();
      if (this.#text[this.#at] !== ',') return this.#invalid('after object key:value pair');
      this.#at += 1;
    }
  }

  #array(): boolean {
    this.#at += 1;
    this.#space();
    if (this.#text[this.#at] === ']') return this.#skip();
    for (;;) {
      this.#space();
      if (!this.#value('looking for beginning of value')) return false;
      this.#space();
      if (this.#text[this.#at] === ']') return this.#skip();
      if (this.#text[this.#at] !== ',') return this.#invalid('after array element');
      this.#at += 1;
    }
  }

  #string(): boolean {
    for (this.#at += 1; ; this.#at += 1) {
      const character = this.#text[this.#at];
      if (character === undefined) return this.#invalid('');
      if (character === '"') return this.#skip();
      if (character < ' ') return this.#invalid('in string literal');
      if (character !== '\\') continue;
      this.#at += 1;
      const escaped = this.#text[this.#at];
      if (escaped === 'u') {
        for (let digit = 0; digit < 4; digit += 1) {
          this.#at += 1;
          if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? ''))
            return this.#invalid('in \\u hexadecimal character escape');
        }
      } else if (escaped === undefined || !'bfnrt\\/"'.includes(escaped)) {
        return this.#invalid('in string escape code');
      }
    }
  }

  #word(word: string): boolean {
    for (const expected of word.slice(1)) {
      this.#at += 1;
      if (this.#text[this.#at] !== expected) return this.#invalid(`in literal ${word} (expecting '${expected}')`);
    }
    return this.#skip();
  }

  #number(): boolean {
    if (this.#text[this.#at] === '-') {
      this.#at += 1;
      if (!isDigit(this.#text[this.#at])) return this.#invalid('in numeric literal');
    }
    if (this.#text[this.#at] === '0') this.#at += 1;
    else this.#digits();
    if (this.#text[this.#at] === '.') {
      this.#at += 1;
      if (!isDigit(this.#text[this.#at])) return this.#invalid('after decimal point in numeric literal');
      this.#digits();
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      this.#at += 1;
      if (this.#text[this.#at] === '+' || this.#text[this.#at] === '-') this.#at += 1;
      if (!isDigit(this.#text[this.#at])) return this.#invalid('in exponent of numeric literal');
      this.#digits();
    }
    return true;
  }

  #digits(): void {
    while (isDigit(this.#text[this.#at])) this.#at += 1;
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #skip(): true {
    this.#at += 1;
    return true;
  }

  // Go reads bytes: a character beyond ASCII is named by its first byte.
  #invalid(context: string): false {
    const character = this.#text[this.#at];
    if (character === undefined) {
      this.error = endOfInput;
      return false;
    }
    const byte = Buffer.from(this.#text.slice(this.#at, this.#at + 2))[0] ?? 0;
    this.error = `invalid character ${quoteByte(byte)} ${context}`;
    return false;
  }
}

function quoteByte(byte: number): string {
  if (byte === 0x27) return "'\\''";
  if (byte === 0x22) return `'"'`;
  const quoted = JSON.stringify(String.fromCharCode(byte)).slice(1, -1);
  return byte >= 0x7f && byte < 0xa1 ? `'\\u${byte.toString(16).padStart(4, '0')}'` : `'${quoted}'`;
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9';
}

import { goQuote } from './go-json.ts';
import { isLabelValue, isQualifiedName } from './names.ts';
import { meetsRequirement } from './requirement.ts';

type Labels = Readonly<Record<string, string>>;

/** A selector as a query parameter writes it (`app=web,tier in (a,b),!old`). */
export interface LabelQuery {
  readonly requirements: readonly LabelRequirement[];
  matches(labels: Labels | undefined): boolean;
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';
  readonly values: readonly string[];
}

/** A selector text that can't be read; the message is Kubernetes' own. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

/** Parses a label selector. Throws SelectorError. */
export function parseLabelQuery(text: string): LabelQuery {
  const requirements = new Parser(text).parse();
  return { requirements, matches: (labels) => requirements.every((one) => meets(one, labels ?? {})) };
}

const operators = { in: 'In', notin: 'NotIn', exists: 'Exists', '!': 'DoesNotExist', gt: 'Gt', lt: 'Lt' } as const;

function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  return meetsRequirement(operators[operator], Object.hasOwn(labels, key) ? labels[key] : undefined, values);
}

type Token = '!' | '=' | '==' | '!=' | '(' | ')' | ',' | '<' | '>' | 'identifier' | 'end' | 'error';
interface Lexeme {
  readonly token: Token;
  readonly text: string;
}

const symbols: readonly Token[] = ['!=', '==', '!', '=', '(', ')', ',', '<', '>'];
const binaryOperators = 'in, notin, =, ==, !=, gt, lt';

function lex(text: string): readonly Lexeme[] {
  const lexemes: Lexeme[] = [];
  for (let at = 0; at < text.length; ) {
    const character = text.charAt(at);
    if (/[ \t\r\n]/.test(character)) {
      at += 1;
      continue;
    }
    const symbol = symbols.find((one) => text.startsWith(one, at));
    if (symbol !== undefined) {
      lexemes.push({ token: symbol, text: symbol });
      at += symbol.length;
      continue;
    }
    const word = /[^ \t\r\n=!(),><]+/y;
    word.lastIndex = at;
    const found = word.exec(text)?.[0] ?? character;
    lexemes.push({ token: 'identifier', text: found });
    at += found.length;
  }
  return lexemes;
}

// Recursive descent over k8s.io/apimachinery's grammar; each error says what was found and what was expected.
class Parser {
  readonly #lexemes: readonly Lexeme[];
  #at = 0;

  constructor(text: string) {
    this.#lexemes = lex(text);
  }

  parse(): readonly LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const { token, text } = this.#peek();
      if (token === 'end') return requirements;
      if (token !== 'identifier' && token !== '!') {
        throw new SelectorError(`found '${text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const next = this.#take();
      if (next.token === 'end') return requirements;
      if (next.token !== ',') throw new SelectorError(`found '${next.text}', expected: ',' or 'end of string'`);
      const after = this.#peek();
      if (after.token !== 'identifier' && after.token !== '!') {
        throw new SelectorError(`found '${after.text}', expected: identifier after ','`);
      }
    }
  }

  #requirement(): LabelRequirement {
    let first = this.#take();
    const isNegated = first.token === '!';
    if (isNegated) first = this.#take();
    if (first.token !== 'identifier') throw unable(`found '${first.text}', expected: identifier`);
    const key = first.text;
    const problems = isQualifiedName(key);
    if (problems.length > 0) throw unable(`<nil>: Invalid value: ${goQuote(key)}: ${problems.join('; ')}`);
    if (isNegated) return { key, operator: '!', values: [] };
    const { token } = this.#peek();
    if (token === 'end' || token === ',') return { key, operator: 'exists', values: [] };
    return checked(this.#operation(key));
  }

  #operation(key: string): LabelRequirement {
    const { token, text } = this.#take();
    if (token === 'identifier' && (text === 'in' || text === 'notin')) {
      return { key, operator: text, values: this.#values() };
    }
    if (token === '=' || token === '==') return { key, operator: 'in', values: [this.#exactValue()] };
    if (token === '!=') return { key, operator: 'notin', values: [this.#exactValue()] };
    if (token === '>') return { key, operator: 'gt', values: [this.#exactValue()] };
    if (token === '<') return { key, operator: 'lt', values: [this.#exactValue()] };
    throw unable(`found '${text}', expected: ${binaryOperators}`);
  }

  #exactValue(): string {
    const { token } = this.#peek();
    if (token === 'end' || token === ',') return '';
    const { token: taken, text } = this.#take();
    if (taken !== 'identifier') throw unable(`found '${text}', expected: identifier`);
    return text;
  }

  #values(): readonly string[] {
    const open = this.#take();
    if (open.token !== '(') throw unable(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    if (first.token === ')') {
      this.#take();
      return [];
    }
    if (first.token !== 'identifier' && first.token !== ',') {
      throw unable(`found '${first.text}', expected: ',', ')' or identifier`);
    }
    const values = this.#valueList();
    const close = this.#take();
    if (close.token !== ')') throw unable(`found '${close.text}', expected: ')'`);
    return [...values].sort();
  }

  // An empty place between commas or parentheses stands for the empty value.
  #valueList(): ReadonlySet<string> {
    const values = new Set<string>();
    for (;;) {
      const { token, text } = this.#take();
      if (token === 'identifier') {
        values.add(text);
        const next = this.#peek();
        if (next.token === ')') return values;
        if (next.token !== ',') throw unable(`found '${next.text}', expected: ',' or ')'`);
        continue;
      }
      if (token !== ',') throw unable(`found '${text}', expected: ',', or identifier`);
      if (values.size === 0) values.add('');
      const next = this.#peek();
      if (next.token === ')') {
        values.add('');
        return values;
      }
      if (next.token === ',') {
        this.#take();
        values.add('');
      }
    }
  }

  #peek(): Lexeme {
    return this.#lexemes[this.#at] ?? { token: 'end', text: '' };
  }

  #take(): Lexeme {
    const lexeme = this.#peek();
    this.#at += 1;
    return lexeme;
  }
}

function checked(requirement: LabelRequirement): LabelRequirement {
  const { key, operator, values } = requirement;
  if ((operator === 'in' || operator === 'notin') && values.length === 0) {
    throw unable(`values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty`);
  }
  for (const [index, value] of values.entries()) {
    if ((operator === 'gt' || operator === 'lt') && !/^[+-]?\d+$/.test(value)) {
      const why = "for 'Gt', 'Lt' operators, the value must be an integer";
      throw unable(`values[${index}]: Invalid value: ${goQuote(value)}: ${why}`);
    }
    const problems = isLabelValue(value);
    if (problems.length > 0) {
      throw unable(`values[${index}][${key}]: Invalid value: ${goQuote(value)}: ${problems.join('; ')}`);
    }
  }
  return requirement;
}

function unable(why: string): SelectorError {
  return new SelectorError(`unable to parse requirement: ${why}`);
}

/** One term of a field selector. */
export interface FieldRequirement {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

/** Parses `metadata.name=x,status.phase!=Running`. Throws SelectorError. */
export function parseFieldQuery(text: string): readonly FieldRequirement[] {
  const terms: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === '') continue;
    const split = splitTerm(term);
    if (split === null) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    terms.push(split);
  }
  return terms;
}

// A backslash takes the special meaning of comma, equals sign and backslash away.
function splitTerms(text: string): readonly string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...terms, text.slice(start)];
}

function splitTerm(term: string): FieldRequirement | null {
  for (let at = 0; at < term.length; at += 1) {
    for (const operator of ['!=', '==', '=']) {
      if (!term.startsWith(operator, at)) continue;
      const value = unescapeValue(term.slice(at + operator.length));
      if (value === null) return null;
      return { field: term.slice(0, at), value, negated: operator === '!=' };
    }
  }
  return null;
}

function unescapeValue(text: string): string | null {
  let value = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '=' || character === ',')
      throw new SelectorError(`unescaped special character in value '${text}'`);
    if (character !== '\\') {
      value += character;
      continue;
    }
    at += 1;
    const escaped = text.charAt(at);
    if (escaped !== '\\' && escaped !== ',' && escaped !== '=') return null;
    value += escaped;
  }
  return value;
}

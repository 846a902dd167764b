/** Reads docs/limits.md and compares it with the constants that it names. */

/** One row of a table. */
export interface Bound {
  readonly name: string;
  /** Its numbers stand in the order of the places. */
  readonly bound: string;
  /** One unit for all numbers, or one for each, with commas between. */
  readonly unit: string;
  readonly places: readonly Place[];
}

export interface Place {
  readonly file: string;
  /** A constant, a member of one (`limits.bytes`), a parameter's default, or an option that is handed on. */
  readonly constant: string;
}

/** All rows of all tables of the page. */
export function boundsOf(page: string): readonly Bound[] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| name |'))
    .map((line) => {
      const [name = '', bound = '', unit = '', , where = ''] = line.slice(1, -1).split(' | ');
      const places = [...where.matchAll(/`([^`:]+): ([^`]+)`/g)].map(([, file = '', constant = '']) => ({
        file,
        constant,
      }));
      return { name: name.trim(), bound: bound.trim(), unit: unit.trim(), places };
    });
}

/** What is wrong with a row; nothing when each of its numbers is the value of its constant. */
export function problemsOf(
  { name, bound, unit, places }: Bound,
  readSource: (file: string) => string | undefined,
): readonly string[] {
  const numbers = [...bound.matchAll(/\d[\d,]*(?:\.\d+)?(?:\^\d+)?/g)].map(([text]) =>
    numberOf(text.replace(/,$/, '')),
  );
  if (places.length === 0) return [`${name}: no constant is named`];
  if (numbers.length !== places.length) return [`${name}: ${numbers.length} numbers, ${places.length} constants`];
  const units = unit.split(',').map((one) => one.trim());
  return places.flatMap(({ file, constant }, index) => {
    const source = readSource(file);
    if (source === undefined) return [`${name}: there is no ${file}`];
    const value = constantValue(source, constant);
    if (value === undefined) return [`${name}: ${file} has no number ${constant}`];
    const told = (numbers[index] ?? 0) * factorOf(units[index] ?? units[0] ?? '', constant);
    const isSame = Math.abs(told - value) <= Math.abs(value) * 1e-9;
    return isSame ? [] : [`${name}: ${bound} ${unit} are ${told}, but ${constant} in ${file} is ${value}`];
  });
}

function numberOf(text: string): number {
  const [base = '', exponent = '1'] = text.replaceAll(',', '').split('^');
  return Number(base) ** Number(exponent);
}

const bytes: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** How many of the constant's own units one of the page's is: the last word of a constant's name tells its unit. */
function factorOf(unit: string, constant: string): number {
  const [word = ''] = unit.split(' ');
  if (word === '%') return 0.01;
  if (bytes[word] !== undefined) return bytes[word];
  if (milliseconds[word] === undefined) return 1;
  if (/ms(?:_?max|_?min)?(?:\.|$)/i.test(constant)) return milliseconds[word];
  return /seconds/i.test(constant) ? milliseconds[word] / 1000 : 1;
}

/** The number that a constant stands for; undefined when there is none of the name, or it is no number. */
export function constantValue(source: string, constant: string): number | undefined {
  const [owner, member] = constant.split('.');
  if (member !== undefined) {
    const start = new RegExp(`\\b${owner}\\b[^=\\n]*= \\{`).exec(source);
    if (!start) return undefined;
    const body = source.slice(start.index, source.indexOf('}', start.index) + 1);
    const found = new RegExp(`[{\\s]${member}: ([^,}\\n]+)`).exec(body);
    return found?.[1] === undefined ? undefined : sumOf(source, found[1]);
  }
  const found =
    new RegExp(`(?<![.\\w])${constant}(?:: [\\w<>]+)? = ([^;,)}\\n]+)`).exec(source) ??
    new RegExp(`(?<![.\\w])${constant}: (\\d[\\d_]*)\\b`).exec(source);
  return found?.[1] === undefined ? undefined : sumOf(source, found[1]);
}

// Sums of products of powers, as constants are written here.
function sumOf(source: string, text: string): number | undefined {
  return combine(
    text.trim().split(' + '),
    (term) => productOf(source, term),
    (a, b) => a + b,
  );
}

function productOf(source: string, text: string): number | undefined {
  return combine(
    text.split(' * '),
    (factor) => powerOf(source, factor),
    (a, b) => a * b,
  );
}

function powerOf(source: string, text: string): number | undefined {
  const shift = text.split(' << ');
  if (shift.length === 2)
    return combine(
      shift,
      (one) => atomOf(source, one),
      (a, b) => a * 2 ** b,
    );
  return combine(
    text.split(' ** '),
    (one) => atomOf(source, one),
    (a, b) => a ** b,
  );
}

function atomOf(source: string, text: string): number | undefined {
  if (/^\d[\d_]*(?:\.\d+)?n?$/.test(text)) return Number(text.replaceAll('_', '').replace('n', ''));
  return /^[A-Za-z]\w*$/.test(text) ? constantValue(source, text) : undefined;
}

function combine(
  texts: readonly string[],
  value: (text: string) => number | undefined,
  join: (a: number, b: number) => number,
): number | undefined {
  return texts.map(value).reduce((a, b) => (a === undefined || b === undefined ? undefined : join(a, b)));
}

import { WherryError } from '../core/errors.ts';

/** How a quantity is written: `1500m`, `1536Mi`, `15e2`. */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

/**
 * resource.Quantity: an exact decimal, `digits` times ten to the power `scale` (never below -9: smaller values round away
 * from zero to a nano).
 */
export interface Quantity {
  readonly digits: bigint;
  readonly scale: number;
  readonly format: QuantityFormat;
}

const wrongFormat = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const wrongSuffix = "unable to parse quantity's suffix";
const wrongNumber = 'unable to parse numeric part of quantity';

const decimalSuffixes: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const suffixOfExponent = new Map(Object.entries(decimalSuffixes).map(([suffix, exponent]) => [exponent, suffix]));
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const nano = -9;
/** No quantity is larger: values are capped here, as upstream caps them. */
const largest = (1n << 63n) - 1n;

/** Reads a quantity as clients write it; a number stands for its text. Throws BAD_QUANTITY with Kubernetes' words. */
export function parseQuantity(value: string | number): Quantity {
  const text = typeof value === 'number' ? numberText(value) : value;
  if (text === '0') return { digits: 0n, scale: 0, format: 'DecimalSI' };
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/.exec(text);
  if (parts === null) throw badQuantity(wrongFormat);
  const [, sign = '', whole = '', fraction = '', suffix = ''] = parts;
  const [format, exponent] = interpretSuffix(suffix);
  if (whole === '' && fraction === '') throw badQuantity(text === '' ? wrongFormat : wrongNumber);
  const digits = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n);
  const scale = -fraction.length;
  if (format === 'BinarySI') return normalise(digits << BigInt(exponent), scale, format);
  return normalise(digits, scale + exponent, format);
}

// JSON numbers arrive as doubles: large and small ones print with an exponent, which the grammar knows.
function numberText(value: number): string {
  return String(value).replace('e+', 'e');
}

function badQuantity(message: string): WherryError {
  return new WherryError('BAD_QUANTITY', message);
}

function interpretSuffix(suffix: string): [QuantityFormat, number] {
  const decimal = decimalSuffixes[suffix];
  if (decimal !== undefined) return ['DecimalSI', decimal];
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return ['BinarySI', binary * 10];
  if (/^[eE][-+]?\d+$/.test(suffix)) {
    const exponent = Number(suffix.slice(1));
    if (Math.abs(exponent) <= 2147483647) return ['DecimalExponent', exponent];
  }
  throw badQuantity(wrongSuffix);
}

// Values from 10^19 on are capped whatever their digits are, so that an exponent of billions costs nothing.
function normalise(digits: bigint, scale: number, format: QuantityFormat): Quantity {
  if (digits === 0n) return { digits, scale: 0, format };
  const length = String(digits < 0n ? -digits : digits).length;
  if (scale < nano) {
    if (length + scale < nano) return { digits: digits < 0n ? -1n : 1n, scale: nano, format };
    return { digits: divideAwayFromZero(digits, 10n ** BigInt(nano - scale)), scale: nano, format };
  }
  if (length + scale > 22) return { digits: digits < 0n ? -largest : largest, scale: 0, format };
  return { digits, scale, format };
}

function divideAwayFromZero(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (quotient * by === value) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

/** The canonical text: no fraction, the largest suffix that keeps the value exact. */
export function formatQuantity(quantity: Quantity): string {
  if (quantity.digits === 0n) return '0';
  if (quantity.format === 'BinarySI') {
    const bytes = exactInteger(quantity);
    if (bytes !== undefined && (bytes >= 1024n || bytes <= -1024n)) return formatBinary(bytes);
  }
  let { digits, scale } = quantity;
  while (digits % 10n === 0n) {
    digits /= 10n;
    scale++;
  }
  for (; scale % 3 !== 0; scale--) digits *= 10n;
  for (; scale > 18 && quantity.format !== 'DecimalExponent'; scale -= 3) digits *= 1000n;
  if (quantity.format === 'DecimalExponent') return scale === 0 ? String(digits) : `${digits}e${scale}`;
  return `${digits}${suffixOfExponent.get(scale) ?? ''}`;
}

function formatBinary(bytes: bigint): string {
  let left = bytes;
  let power = 0;
  while (power < binarySuffixes.length - 1 && left % 1024n === 0n) {
    left /= 1024n;
    power++;
  }
  return `${left}${binarySuffixes[power]}`;
}

/** The value as an integer, undefined when it has a fraction. */
function exactInteger({ digits, scale }: Quantity): bigint | undefined {
  if (scale >= 0) return digits * 10n ** BigInt(scale);
  const unit = 10n ** BigInt(-scale);
  return digits % unit === 0n ? digits / unit : undefined;
}

// Up to three digits without a leading zero are canonical with any suffix, and most quantities are written so.
const canonical = /^[1-9]\d{0,2}([numkMGTPE]|[KMGTPE]i)?$|^0$/;

/** Parses and formats: what a server makes of a client's text. Throws as parseQuantity does. */
export function canonicalQuantity(value: string | number): string {
  if (typeof value === 'string' && canonical.test(value)) return value;
  return formatQuantity(parseQuantity(value));
}

/** Negative, zero or positive, as the first is smaller, equal or larger. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  const scale = Math.min(a.scale, b.scale);
  const difference = digitsAt(a, scale) - digitsAt(b, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The sum, in the format of the first (of the second when the first is zero). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  const scale = Math.min(a.scale, b.scale);
  return {
    digits: digitsAt(a, scale) + digitsAt(b, scale),
    scale,
    format: a.digits === 0n ? b.format : a.format,
  };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return addQuantities(a, negateQuantity(b));
}

export function negateQuantity(quantity: Quantity): Quantity {
  return { ...quantity, digits: -quantity.digits };
}

export function isZeroQuantity(quantity: Quantity): boolean {
  return quantity.digits === 0n;
}

/** -1, 0 or 1. */
export function quantitySign(quantity: Quantity): number {
  return quantity.digits < 0n ? -1 : quantity.digits > 0n ? 1 : 0;
}

function digitsAt({ digits, scale }: Quantity, lower: number): bigint {
  return digits * 10n ** BigInt(scale - lower);
}

/** The integer at or above the value (away from zero), as Quantity.Value() has it; exact up to 2^53. */
export function quantityValue(quantity: Quantity): number {
  return Number(scaledInteger(quantity, 0));
}

/** The same in thousandths: CPU in millicores. */
export function quantityMilliValue(quantity: Quantity): number {
  return Number(scaledInteger(quantity, -3));
}

function scaledInteger({ digits, scale }: Quantity, unit: number): bigint {
  if (scale >= unit) return digits * 10n ** BigInt(scale - unit);
  return divideAwayFromZero(digits, 10n ** BigInt(unit - scale));
}

/** A quantity of so many units. */
export function quantityOf(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { digits: BigInt(value), scale: 0, format };
}

/** A quantity of so many thousandths. */
export function milliQuantity(value: number): Quantity {
  return { digits: BigInt(value), scale: -3, format: 'DecimalSI' };
}

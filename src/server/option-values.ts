import ipaddr from 'ipaddr.js';
import { WherryError } from '../core/errors.ts';

/** What the user gave; every member as it came from the command line or the YAML file. */
export type RawOptions = Readonly<Record<string, unknown>>;

/** The error for an option: what is wrong with it and what to do. */
export function bad(option: string, what: string, hint: string): WherryError {
  return new WherryError('INVALID_OPTION', `--${option}: ${what}`, { hint });
}

/** An option that takes a text, if it was given. */
export function text(raw: RawOptions, option: string): string | undefined {
  const value = raw[option];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw bad(option, `takes a text, not ${JSON.stringify(value)}`, `write it in quotes, once`);
}

/** An option that is on or off. */
export function flag(raw: RawOptions, option: string): boolean {
  const value = raw[option];
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw bad(
    option,
    `is on or off, not ${JSON.stringify(value)}`,
    'give it no value on the command line, true or false in the file',
  );
}

/** A list: given several times, comma-separated, or as a YAML list. */
export function list(raw: RawOptions, option: string): readonly string[] {
  const value = raw[option];
  if (value === undefined) return [];
  const items = Array.isArray(value) ? value : [value];
  return items.flatMap((item) => {
    if (typeof item !== 'string') throw bad(option, `takes texts, not ${JSON.stringify(item)}`, 'write each in quotes');
    return item
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== '');
  });
}

/** An option that takes one of some words, if it was given. */
export function word<Word extends string>(raw: RawOptions, option: string, words: readonly Word[]): Word | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  const found = words.find((one) => one === value);
  if (found !== undefined) return found;
  throw bad(option, `${JSON.stringify(value)} is not known`, `use one of ${words.join(', ')}`);
}

/** Address ranges, each written with its first address; undefined when none was given. */
export function cidrs(raw: RawOptions, option: string): readonly string[] | undefined {
  const values = list(raw, option);
  if (values.length === 0) return undefined;
  return values.map((value) => {
    if (!ipaddr.isValidCIDR(value))
      throw bad(option, `${JSON.stringify(value)} is not a range such as 10.42.0.0/16`, 'write ADDRESS/BITS');
    const [network, bits] = ipaddr.parseCIDR(value);
    const first =
      network.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(value) : ipaddr.IPv6.networkAddressFromCIDR(value);
    return `${first.toString()}/${bits}`;
  });
}

/** An option that takes IP addresses; undefined when none was given. */
export function addresses(raw: RawOptions, option: string): readonly string[] | undefined {
  const values = list(raw, option);
  if (values.length === 0) return undefined;
  return values.map((value) => {
    // A number is an address to inet_aton, but not to the people who mistype one.
    if (ipaddr.IPv4.isValidFourPartDecimal(value)) return value;
    if (ipaddr.IPv6.isValid(value) && !value.includes('%')) return ipaddr.parse(value).toString();
    throw bad(option, `${JSON.stringify(value)} is not an IP address`, 'write an address such as 192.168.1.10');
  });
}

/** An option that takes one IP address, if it was given. */
export function address(raw: RawOptions, option: string): string | undefined {
  const values = addresses(raw, option);
  if (values === undefined || values.length === 1) return values?.[0];
  throw bad(option, `takes one address, not ${values.length}`, 'write one address');
}

/** A whole number within bounds, if it was given. */
export function integer(raw: RawOptions, option: string, min: number, max: number): number | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < min || number > max)
    throw bad(option, `${JSON.stringify(value)} is out of bounds`, `write a number from ${min} to ${max}`);
  return number;
}

export function port(raw: RawOptions, option: string): number | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 65535)
    throw bad(option, `${JSON.stringify(value)} is not a port`, 'write a number from 1 to 65535');
  return number;
}

/** Permission bits in octal, if they were given. */
export function mode(raw: RawOptions, option: string): number | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  if (!/^0?[0-7]{3}$/.test(value))
    throw bad(option, `${JSON.stringify(value)} are not permission bits`, 'write three octal digits such as 644');
  return Number.parseInt(value, 8);
}

/** Addresses and prefixes as Go's net package reads them, leading zeros in IPv4 allowed: they are decimal. */
export interface IpAddress {
  /** 4 also for IPv6 addresses that stand for an IPv4 one (`::ffff:10.0.0.1`). */
  readonly family: 4 | 6;
  /** Four or sixteen bytes. */
  readonly bytes: readonly number[];
}

export interface IpPrefix {
  readonly address: IpAddress;
  readonly length: number;
}

/** Undefined when the text is no address. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) {
    const bytes = parseDotted(text);
    return bytes === undefined ? undefined : { family: 4, bytes };
  }
  const bytes = parseHexGroups(text);
  if (bytes === undefined) return undefined;
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes };
}

function parseDotted(text: string): readonly number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d+$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.map(Number);
}

function parseHexGroups(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  if (head === undefined) return undefined;
  const before = groupBytes(head, tail === undefined);
  const after = groupBytes(tail ?? [], true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 16 - before.length - after.length;
  if (tail === undefined) return missing === 0 ? before : undefined;
  return missing < 2 ? undefined : [...before, ...new Array<number>(missing).fill(0), ...after];
}

function groupBytes(groups: readonly string[], mayEndDotted: boolean): readonly number[] | undefined {
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (mayEndDotted && index === groups.length - 1 && group.includes('.')) {
      const dotted = parseDotted(group);
      if (dotted === undefined) return undefined;
      bytes.push(...dotted);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return undefined;
  }
  return bytes;
}

/** `10.0.0.0/8`; undefined when the text is no prefix. */
export function parseCidr(text: string): IpPrefix | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? undefined : parseIp(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (address === undefined || !/^\d+$/.test(lengthText)) return undefined;
  const length = Number(lengthText);
  const bits = text.slice(0, slash).includes(':') ? 128 : 32;
  return length <= bits ? { address, length } : undefined;
}

export function isUnspecified({ bytes }: IpAddress): boolean {
  return bytes.every((byte) => byte === 0);
}

export function isLoopback({ family, bytes }: IpAddress): boolean {
  return family === 4 ? bytes[0] === 127 : bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

export function isLinkLocalUnicast({ family, bytes }: IpAddress): boolean {
  const [first = 0, second = 0] = bytes;
  return family === 4 ? first === 169 && second === 254 : first === 0xfe && (second & 0xc0) === 0x80;
}

export function isLinkLocalMulticast({ family, bytes }: IpAddress): boolean {
  const [first = 0, second = 0, third = 0] = bytes;
  return family === 4 ? first === 224 && second === 0 && third === 0 : first === 0xff && (second & 0x0f) === 2;
}

/** One address of each family at least: what a dual-stack list must have. */
export function isDualStack(addresses: readonly (IpAddress | undefined)[]): boolean {
  const families = new Set(addresses.map((address) => address?.family));
  return families.has(4) && families.has(6);
}

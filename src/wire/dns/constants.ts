/** Numbers of the domain name system (IANA, "Domain Name System (DNS) Parameters"). */

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

const typeNames: ReadonlyMap<number, string> = new Map(Object.entries(types).map(([name, type]) => [type, name]));

/** The name of a record type; undefined for those without one here. */
export function typeName(type: number): string | undefined {
  return typeNames.get(type);
}

export const classes = { IN: 1, ANY: 255 } as const;

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** RFC 6891: its upper bits stand in the OPT record. */
  BADVERS: 16,
} as const;

const rcodeNames: ReadonlyMap<number, string> = new Map(Object.entries(rcodes).map(([name, code]) => [code, name]));

export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`;
}

/** Bits of the second 16-bit word of a message (RFC 1035 4.1.1, RFC 4035). */
export const flagBits = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
  rcode: 0x000f,
} as const;

export const headerBytes = 12;
/** RFC 1035 2.3.4 and 4.2.1. */
export const labelBytesMax = 63;
export const nameBytesMax = 255;
export const messageBytesMax = 65_535;
/** What a client that does not say otherwise takes over UDP. */
export const plainUdpBytesMax = 512;

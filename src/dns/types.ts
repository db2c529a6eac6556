/** Numbers and mnemonics of the IANA "Domain Name System (DNS) Parameters" registry that Holdfast has a use for. */

export const Type = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  WKS: 11,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  KEY: 25,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  HIP: 55,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const

export const Class = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const

export const Opcode = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5, DSO: 6 } as const

/** From 16 on the upper bits travel in the OPT record (RFC 6891) or in the TSIG record (RFC 8945). */
export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  /** As an RCODE of OPT; the same number is `BADSIG` in a TSIG record. */
  BADVERS: 16,
  BADSIG: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADTRUNC: 22,
  BADCOOKIE: 23,
} as const

const typeNames = new Map<number, string>(Object.entries(Type).map(([text, number]) => [number, text]))
const rcodeNames = new Map<number, string>()
for (const [text, number] of Object.entries(Rcode)) if (!rcodeNames.has(number)) rcodeNames.set(number, text)

/** `AAAA`, or `TYPE65280` for a number without a mnemonic (RFC 3597 section 5). */
export const typeText = (type: number): string => typeNames.get(type) ?? `TYPE${type}`

/** Takes mnemonics in any case and `TYPEn`, 0 to 65535. */
export function typeFromText(text: string): number | undefined {
  const upper = text.toUpperCase()
  if (Object.hasOwn(Type, upper)) return Type[upper as keyof typeof Type]
  const digits = /^TYPE([0-9]{1,5})$/.exec(upper)?.[1]
  return digits !== undefined && Number(digits) <= 0xffff ? Number(digits) : undefined
}

/** `NXDOMAIN`, or `RCODE11`. */
export const rcodeText = (rcode: number): string => rcodeNames.get(rcode) ?? `RCODE${rcode}`

/** `IN`, or `CLASS2` (RFC 3597 section 5). */
export function classText(number: number): string {
  return Object.entries(Class).find(([, value]) => value === number)?.[0] ?? `CLASS${number}`
}

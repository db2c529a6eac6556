/** Generators of names, records and messages for the property tests about DNS. */
import fc from 'fast-check'
import { ednsOf, type Message, messageOf, type ResourceRecord } from '../../src/dns/message.ts'
import type { WireName } from '../../src/dns/name.ts'
import { nameData, soaData } from '../../src/dns/rdata.ts'
import { Type } from '../../src/dns/types.ts'

const octet = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'abcABCxyz019-_*') },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }).map((n) => String.fromCharCode(n)) },
)
const label = fc.oneof(
  { weight: 6, arbitrary: fc.array(octet, { minLength: 1, maxLength: 8 }) },
  { weight: 1, arbitrary: fc.array(octet, { minLength: 1, maxLength: 63 }) },
)

/** Any octets, all lengths up to the limit; often few distinct labels, so that compression has work. */
export const anyName: fc.Arbitrary<WireName> = fc.array(label, { maxLength: 6 }).map((labels) => {
  let wire = '\0'
  for (const octets of labels) {
    const longer = String.fromCharCode(octets.length) + octets.join('') + wire
    if (longer.length <= 255) wire = longer
  }
  return wire as WireName
})

const byte = fc.integer({ min: 0, max: 255 })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })

const related: fc.Arbitrary<WireName> = fc.constantFrom(
  ...([
    '\x07example\x00',
    '\x03www\x07example\x00',
    '\x03WWW\x07Example\x00',
    '\x01a\x01b\x03www\x07example\x00',
    '\0',
  ] as WireName[]),
)
const names = fc.oneof(related, anyName)

const typed = fc.oneof(
  fc.record({ type: fc.constant<number>(Type.A), data: fc.uint8Array({ minLength: 4, maxLength: 4 }) }),
  fc.record({ type: fc.constantFrom<number>(Type.NS, Type.CNAME, Type.PTR), data: names.map(nameData) }),
  fc.record({ type: fc.constant<number>(Type.MX), data: names.map((name) => Uint8Array.of(0, 10, ...nameData(name))) }),
  fc.record({
    type: fc.constant<number>(Type.SOA),
    data: fc
      .tuple(names, names, u32)
      .map(([mname, rname, serial]) => soaData({ mname, rname, serial, refresh: 1, retry: 2, expire: 3, minimum: 4 })),
  }),
  fc.record({ type: fc.constantFrom<number>(Type.TXT, 65_280), data: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({
    type: fc.constant<number>(Type.SRV),
    data: names.map((name) => Uint8Array.of(0, 1, 0, 2, 0, 3, ...nameData(name))),
  }),
)

export const anyRecord: fc.Arbitrary<ResourceRecord> = fc
  .record({ name: names, class: fc.constantFrom(1, 254, 255), ttl: u32, rdata: typed })
  .map(({ rdata, ...rest }) => ({ ...rest, ...rdata }))

const anyEdns = fc
  .record({
    udpSize: u16,
    version: byte,
    do: fc.boolean(),
    flags: fc.integer({ min: 0, max: 0x7fff }),
    options: fc.array(fc.record({ code: u16, data: fc.uint8Array({ maxLength: 12 }) }), { maxLength: 3 }),
  })
  .map(ednsOf)

/** Messages that encoding and decoding leave as they are. */
export const anyMessage: fc.Arbitrary<Message> = fc
  .record({
    id: u16,
    qr: fc.boolean(),
    opcode: fc.integer({ min: 0, max: 15 }),
    aa: fc.boolean(),
    tc: fc.boolean(),
    rd: fc.boolean(),
    ra: fc.boolean(),
    z: fc.boolean(),
    ad: fc.boolean(),
    cd: fc.boolean(),
    rcode: fc.integer({ min: 0, max: 0xfff }),
    questions: fc.array(fc.record({ name: names, type: u16, class: u16 }), { maxLength: 2 }),
    answers: fc.array(anyRecord, { maxLength: 6 }),
    authorities: fc.array(anyRecord, { maxLength: 3 }),
    additionals: fc.array(anyRecord, { maxLength: 3 }),
    edns: fc.option(anyEdns),
  })
  .map((fields) => {
    const rcode = fields.edns === null ? fields.rcode & 15 : fields.rcode
    return messageOf({ ...fields, rcode, edns: fields.edns && { ...fields.edns, extendedRcode: rcode >> 4 } })
  })

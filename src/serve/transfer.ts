/**
 * A whole zone as messages (RFC 5936): SOA, every record with glue and what is hidden behind cuts, SOA again. One
 * consistent version, because a node is never changed, only replaced: the list of nodes taken first is a snapshot.
 */
import { encodeMessage, type Message, messageOf, type Question, type ResourceRecord } from '../dns/message.ts'
import { Class, Type } from '../dns/types.ts'
import type { Node, RRset, Zone } from './zone.ts'

/** Octets of uncompressed records that one message takes; compressed it is smaller. */
const maxOctets = 32_000

/** The messages in order, made when they are asked for. */
export function* transferMessages(
  zone: Zone,
  request: Message,
): Generator<{ readonly bytes: Uint8Array; readonly records: number }> {
  const apex = zone.get(zone.apex) as Node
  const nodes = [...zone.nodes.values()]
  const soa = recordsOfRrset(apex, zone.soa)
  let records: ResourceRecord[] = [...soa]
  let octets = 0
  let first = true
  const take = () => {
    const message = replyWith(request, first ? request.questions : [], records)
    const sent = records.length
    first = false
    records = []
    octets = 0
    return { bytes: encodeMessage(message), records: sent }
  }
  for (const node of nodes) {
    for (const rrset of node.rrsets) {
      if (rrset.type === Type.SOA) continue
      for (const record of recordsOfRrset(node, rrset)) {
        const size = record.name.length + 10 + record.data.length
        if (octets + size > maxOctets && records.length > 0) yield take()
        records.push(record)
        octets += size
      }
    }
  }
  records.push(...soa)
  yield take()
}

/** The answer to IXFR when the whole zone does not fit (RFC 1995, section 2): the SOA alone, so that the client comes back over TCP. */
export const soaAlone = (zone: Zone, request: Message): Message =>
  replyWith(request, request.questions, recordsOfRrset(zone.get(zone.apex) as Node, zone.soa))

const replyWith = (
  { id, opcode }: Message,
  questions: readonly Question[],
  answers: readonly ResourceRecord[],
): Message => messageOf({ id, opcode, qr: true, aa: true, questions, answers })

const recordsOfRrset = ({ name }: Node, { type, ttl, datas }: RRset): ResourceRecord[] =>
  datas.map((data) => ({ name, type, class: Class.IN, ttl, data }))

/**
 * The zone that an explored world's enactors write: production code from the change that an enactor
 * wants, through the update message (RFC 2136) as it goes over the wire, to the server's judgement with
 * its guards, and from the server's answers back to what an enactor reads. All of it is pure, so each
 * is worked out once for each zone that was ever reached.
 */
import { assert } from '../../src/base/assert.ts'
import { decodeMessage, encodeMessage, isMalformed, type Message, messageOf } from '../../src/dns/message.ts'
import { fold, type WireName } from '../../src/dns/name.ts'
import { aaaaData, aData, nameData, soaData, txtData } from '../../src/dns/rdata.ts'
import { Class, Rcode, Type } from '../../src/dns/types.ts'
import { updateMessage } from '../../src/dns/update.ts'
import { isIpv6 } from '../../src/model/address.ts'
import type { Answer } from '../../src/model/answer.ts'
import { markerStrings } from '../../src/model/marker.ts'
import { markerNameOf, type Name } from '../../src/model/name.ts'
import type { Change, WriteOutcome } from '../../src/providers/provider.ts'
import { outcomeOf } from '../../src/providers/rfc2136/rfc2136.ts'
import { publishedOf, transactionOf, wireName } from '../../src/providers/rfc2136/transaction.ts'
import { answer, lengthOf } from '../../src/serve/answer.ts'
import { Table, TableDraft } from '../../src/serve/table.ts'
import { applyUpdate } from '../../src/serve/update.ts'
import { RRset, Zone, zoneFromNames } from '../../src/serve/zone.ts'
import type { Standing } from '../sim/authority.ts'
import { Interned } from './intern.ts'

/** `built-in`: the production server, guards and all. `plain`: one that knows conditions only. `unconditional`: not even those. */
export type AuthorityKind = 'built-in' | 'plain' | 'unconditional'

interface Written {
  readonly outcome: WriteOutcome
  /** The zone afterwards. */
  readonly zone: number
}

const at = 'the authority'

export class Authority {
  kind: AuthorityKind = 'built-in'
  /** Updates that the server's guards refused. */
  refusals = 0
  readonly #apex: WireName
  readonly #zones = new Interned<Table>()
  readonly #empty: Table
  readonly #standing = new Map<string, Standing>()
  readonly #written = new Map<string, Written>()

  constructor(zone: Name) {
    this.#apex = wireName(zone)
    const soa = soaData({
      mname: this.#apex,
      rname: this.#apex,
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: 1,
    })
    this.#empty = new Table()
    this.#empty.add(
      zoneFromNames(this.#apex, [
        [
          this.#apex,
          [new RRset(Type.SOA, 60, [soa]), new RRset(Type.NS, 60, [nameData(wireName(`ns.${zone}` as Name))])],
        ],
      ]),
    )
  }

  /** What stands at a name, as an enactor reads it. 0 is the zone with nothing in it. */
  standing(zone: number, name: Name): Standing {
    const key = `${zone} ${name}`
    const known = this.#standing.get(key)
    if (known !== undefined) return known
    const table = this.#table(zone)
    const ask = (owner: WireName, type: number) => asked(table, owner, type).answers
    const { name: _, ...standing } = publishedOf(name, {
      txt: ask(wireName(markerNameOf(name)), Type.TXT),
      a: ask(wireName(name), Type.A),
      aaaa: ask(wireName(name), Type.AAAA),
    })
    this.#standing.set(key, standing)
    return standing
  }

  /** Equal texts, equal changes. */
  write(zone: number, change: Change, text: string): Written {
    const key = `${zone} ${text}`
    const known = this.#written.get(key)
    if (known !== undefined) return known
    const written = this.kind === 'unconditional' ? this.#accepted(zone, change) : this.#judged(zone, change)
    this.#written.set(key, written)
    return written
  }

  #judged(zone: number, change: Change): Written {
    const { prerequisites, updates } = transactionOf(change)
    const table = this.#table(zone)
    const isGuarded = this.kind === 'built-in'
    const message = carried(updateMessage(1, this.#apex, prerequisites, isGuarded ? updates : []))
    const result = applyUpdate(table, message)
    const rcode = result.kind === 'accepted' ? Rcode.NOERROR : result.rcode
    const outcome = outcomeOf({ kind: 'reply', message: { rcode } }, at)
    if (result.kind === 'refused') {
      if (result.guard !== null) this.refusals += 1
      return { outcome, zone }
    }
    return isGuarded ? { outcome, zone: this.#after(table, result.draft) } : this.#accepted(zone, change)
  }

  #accepted(zone: number, { name, answer, marker }: Change): Written {
    return { outcome: { kind: 'accepted' }, zone: this.put(zone, name, standingOf(answer, [markerStrings(marker)])) }
  }

  /** The zone with these records at a name, whoever says so. */
  put(zone: number, name: Name, { marker, addresses, alias, ttl }: Standing): number {
    const table = this.#table(zone)
    const draft = new TableDraft(table)
    const owner = wireName(name)
    const names = draft.draftOf(table.zoneOf(fold(owner)) as Zone)
    const set = (of: WireName, type: number, datas: readonly Uint8Array[]) =>
      names.writeRrset(
        of,
        type,
        datas.length === 0 ? undefined : new RRset(type, type === Type.TXT ? 0 : (ttl ?? 60), datas),
      )
    set(wireName(markerNameOf(name)), Type.TXT, marker.map(txtData))
    set(owner, Type.A, addresses.filter((address) => !isIpv6(address)).map(aData))
    set(owner, Type.AAAA, addresses.filter(isIpv6).map(aaaaData))
    set(owner, Type.CNAME, alias === null ? [] : [nameData(wireName(alias))])
    return this.#after(table, draft)
  }

  #table(zone: number): Table {
    return zone === 0 ? this.#empty : (this.#zones.value(zone) as Table)
  }

  /** Zones are equal if all their records but the SOA are: its serial rises with every update, and no program asks for it. */
  #after(before: Table, draft: TableDraft): number {
    const old = before.zones.get(this.#apex) as Zone
    const zone = new Zone(this.#apex)
    for (const [key, node] of old.nodes) zone.replace(key, node)
    const table = new Table()
    table.add(zone)
    table.apply(draft)
    const lines: string[] = []
    for (const [key, { rrsets }] of zone.nodes)
      for (const { type, ttl, datas } of rrsets)
        if (type !== Type.SOA && !(type === Type.NS && key === this.#apex))
          for (const data of datas) lines.push(`${key} ${type} ${ttl} ${data.join()}`)
    return lines.length === 0 ? 0 : this.#zones.number(lines.sort().join('\n'), () => table)
  }
}

/** As it arrives. */
function carried(message: Message): Message {
  const arrived = decodeMessage(encodeMessage(message))
  assert(!isMalformed(arrived), 'expected a message that can be read')
  return arrived
}

const out = new Uint8Array(0xffff)
const asking = { tcp: true, udpSize: 0xffff, reserve: 0, whole: true, random: () => 0 }

function asked(table: Table, name: WireName, type: number): Message {
  const query = encodeMessage(messageOf({ questions: [{ name, type, class: Class.IN }] }))
  const length = lengthOf(answer(table, query, query.length, asking, out))
  const reply = decodeMessage(out.slice(0, length))
  assert(!isMalformed(reply), 'expected an answer that can be read')
  return reply
}

function standingOf(answer: Answer, marker: readonly (readonly string[])[]): Standing {
  if (answer.kind === 'retired') return { marker, addresses: [], alias: null, ttl: null }
  if (answer.kind === 'alias') return { marker, addresses: [], alias: answer.target, ttl: answer.ttl }
  return { marker, addresses: answer.addresses.map(({ address }) => address).sort(), alias: null, ttl: answer.ttl }
}

/**
 * Authorities that take dynamic updates (RFC 2136) signed with TSIG (RFC 8945): BIND, Knot DNS,
 * PowerDNS, and the built-in server. Guarantee: `atomic-conditional`.
 *
 * Reading: three signed questions a name (TXT at the marker's name, A, AAAA) on one persistent,
 * pipelined TCP connection, asked of the primary itself, authoritative answers only.
 *
 * Writing: one UPDATE message carries several endpoints, because a server makes each message durable
 * by itself (BIND: one fsync each). Their conditions then hold or fail together, in one transaction,
 * so each endpoint's own condition still holds when it is changed; when a message is turned down,
 * nothing of it happened, and its halves are tried by themselves, down to single endpoints.
 *
 * Confirming: a message of conditions alone (RFC 2136, section 2.4) asks about as many endpoints at
 * once, and is never journalled.
 *
 * A third thing that is asked by UPDATE: a zone's wildcard answers for names that do not exist, and
 * a query cannot tell. Where records stand without a marker, a message of conditions, which look at
 * the zone itself, asks whether they are really there.
 */
import { type Permits, permits } from '../../base/permits.ts'
import { openDns } from '../../dns/client.ts'
import { type Message, messageOf, type ResourceRecord } from '../../dns/message.ts'
import type { WireName } from '../../dns/name.ts'
import type { TsigKey } from '../../dns/tsig.ts'
import { Class, Rcode, rcodeText, Type } from '../../dns/types.ts'
import { type Prerequisite, type Update, updateMessage } from '../../dns/update.ts'
import { parseMarker } from '../../model/marker.ts'
import { markerNameOf, type Name } from '../../model/name.ts'
import type { Address, Failure, World } from '../../world/world.ts'
import type { Change, Provider, Published, Reading, WriteOutcome } from '../provider.ts'
import { conditionsAfter, conditionsOf, publishedOf, type Transaction, transactionOf, wireName } from './transaction.ts'

export interface Rfc2136Settings {
  /** The primary that takes updates. */
  readonly address: Address
  readonly key: TsigKey
  /** For one message and its answer. */
  readonly timeoutMs?: number
  /** Messages under way at once. */
  readonly maxInFlight?: number
  /** Of these, updates: servers work them off one after the other, and the last one's time is running. */
  readonly maxUpdates?: number
  /** Endpoints changed or confirmed by one message, at most. */
  readonly endpointsPerMessage?: number
}

type Unread = Exclude<Reading, { readonly kind: 'published' }>
type Asked = { readonly kind: 'records'; readonly records: readonly ResourceRecord[] } | Unread

export function rfc2136Provider(
  world: Pick<World, 'net' | 'clock' | 'random'>,
  { address, key, timeoutMs = 5_000, maxInFlight = 256, maxUpdates = 8, endpointsPerMessage = 32 }: Rfc2136Settings,
): Provider {
  const dns = openDns(world, address, { key, timeoutMs, maxInFlight })
  // A message waits here, not in the connection: there its time to be answered would be running already.
  const places: Permits = permits(maxInFlight)
  const updatePlaces: Permits = permits(maxUpdates)
  const exchange = (message: Message) => places.run(() => dns.exchange(message))
  const update = (zone: WireName, prerequisites: readonly Prerequisite[], updates: readonly Update[]) =>
    updatePlaces.run(async () => outcomeOf(await exchange(updateMessage(0, zone, prerequisites, updates)), at))
  const at = `${address.host}:${address.port}`

  async function ask(name: WireName, type: number): Promise<Asked> {
    const reply = await exchange(messageOf({ questions: [{ name, type, class: Class.IN }] }))
    if (reply.kind === 'failure') return { kind: 'outage', reason: `${at}: ${reply.reason}: ${reply.detail}` }
    const { rcode, aa, answers } = reply.message
    if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN)
      return {
        kind: 'outage',
        reason: `expected ${at} to answer, found ${rcodeText(rcode)}; see that it is the zone's primary and that the key may query`,
      }
    if (!aa)
      return {
        kind: 'unreadable',
        reason: `expected an authoritative answer from ${at}, found none; see that it is the zone's primary and that the name is not delegated away`,
      }
    return { kind: 'records', records: answers }
  }

  async function readOne(zone: WireName, name: Name): Promise<Reading> {
    const owner = wireName(name)
    for (let tries = 0; tries < 4; tries++) {
      const [txt, a, aaaa] = await Promise.all([
        ask(wireName(markerNameOf(name)), Type.TXT),
        ask(owner, Type.A),
        ask(owner, Type.AAAA),
      ])
      if (txt.kind !== 'records') return txt
      if (a.kind !== 'records') return a
      if (aaaa.kind !== 'records') return aaaa
      const published = publishedOf(name, { txt: txt.records, a: a.records, aaaa: aaaa.records })
      // With a marker, a wrong reading costs a conflict. Without one it could look like somebody else's name.
      const isMarked = published.marker.some((strings) => parseMarker(strings) !== undefined)
      const isFree = published.marker.length === 0 && !isLive(published)
      const reading =
        isMarked || isFree ? ({ kind: 'published', published } as const) : await ascertained(zone, published)
      if (reading !== 'torn') return reading
    }
    return { kind: 'outage', reason: `expected ${name} to stand still for three questions, found it changing at ${at}` }
  }

  /** The same, less what only a wildcard says; `torn` if the three answers are of different moments. */
  async function ascertained(zone: WireName, published: Published): Promise<Reading | 'torn'> {
    const { name, marker, addresses, alias } = published
    const [markerStands, aStands, aaaaStands, aliasStands] = conditionsOf(published)
    const nothing: Published = { name, marker: [], addresses: [], alias: null, ttl: null }
    const [noMarker, noA, noAaaa, noAlias] = conditionsOf(nothing)
    const whole = await holds(zone, markerStands, aStands, aaaaStands, aliasStands)
    if (whole === true) return { kind: 'published', published }
    if (whole !== false) return whole
    const [hasMarker, lacksMarker, hasRecords, lacksRecords] = await Promise.all([
      holds(zone, markerStands),
      holds(zone, noMarker),
      holds(zone, aStands, aaaaStands, aliasStands),
      holds(zone, noA, noAaaa, noAlias),
    ])
    for (const answer of [hasMarker, lacksMarker, hasRecords, lacksRecords])
      if (typeof answer === 'object') return answer
    if (!(hasMarker || lacksMarker) || !(hasRecords || lacksRecords)) return 'torn'
    return {
      kind: 'published',
      published: {
        name,
        marker: hasMarker ? marker : [],
        addresses: hasRecords ? addresses : [],
        alias: hasRecords ? alias : null,
        ttl: hasRecords ? published.ttl : null,
      },
    }
  }

  async function holds(
    zone: WireName,
    ...conditions: readonly (Prerequisite | undefined)[]
  ): Promise<boolean | Unread> {
    const present = conditions.filter((condition) => condition !== undefined)
    const outcome = await update(zone, present, [])
    if (outcome.kind === 'accepted') return true
    return outcome.kind === 'conflict' ? false : { kind: 'outage', reason: outcome.reason }
  }

  async function send(zone: WireName, transactions: readonly Transaction[]): Promise<WriteOutcome> {
    return await update(
      zone,
      transactions.flatMap(({ prerequisites }) => prerequisites),
      transactions.flatMap(({ updates }) => updates),
    )
  }

  /** One message; if it is turned down, the halves by themselves, so that one conflict costs its neighbours nothing. */
  async function writeTogether(zone: WireName, changes: readonly Change[]): Promise<readonly WriteOutcome[]> {
    const outcome = await send(zone, changes.map(transactionOf))
    if (changes.length === 1 || outcome.kind === 'accepted' || outcome.kind === 'unknown')
      return changes.map(() => outcome)
    // Where several write the same plan, most often all of it is done already.
    if (outcome.kind === 'conflict' && (await holds(zone, ...changes.flatMap(conditionsAfter))) === true)
      return changes.map(() => outcome)
    const half = changes.length >> 1
    const halves = [changes.slice(0, half), changes.slice(half)].map((part) => writeTogether(zone, part))
    return (await Promise.all(halves)).flat()
  }

  return {
    guarantee: 'atomic-conditional',

    async read(zone, names) {
      const apex = wireName(zone)
      return await Promise.all(names.map((name) => readOne(apex, name)))
    },

    async write(zone, changes) {
      const apex = wireName(zone)
      const outcomes = await Promise.all(
        grouped(changes, endpointsPerMessage, sizeOfChange).map((group) => writeTogether(apex, group)),
      )
      return outcomes.flat()
    },

    async confirm(zone, expected) {
      const apex = wireName(zone)
      const answers = await Promise.all(
        grouped(expected, endpointsPerMessage, sizeOf).map(async (group) => {
          const outcome = await update(apex, group.flatMap(conditionsOf), [])
          return group.map(() => outcome.kind === 'accepted')
        }),
      )
      return answers.flat()
    },
  }
}

/** In order, at most `most` items and about 32 KiB a message: half of what TCP can frame. */
function grouped<T>(items: readonly T[], most: number, size: (item: T) => number): T[][] {
  const groups: T[][] = []
  let octets = 0
  for (const item of items) {
    const last = groups.at(-1)
    if (last === undefined || last.length >= most || octets + size(item) > 32_768) {
      groups.push([item])
      octets = 0
    } else last.push(item)
    octets += size(item)
  }
  return groups
}

/** In octets, roughly, and rather too many. */
function sizeOf({ name, marker, addresses }: Published): number {
  const texts = marker.reduce((sum, strings) => sum + strings.reduce((all, text) => all + text.length + 1, 16), 0)
  return 150 + name.length * 2 + addresses.length * 28 + texts
}

function sizeOfChange({ expected, answer, marker }: Change): number {
  const addresses = answer.kind === 'addresses' ? answer.addresses.length * 28 : 0
  return 600 + sizeOf(expected) + addresses + marker.weights.length * 48
}

const isLive = ({ addresses, alias }: Published): boolean => addresses.length > 0 || alias !== null

/** What a reply to an UPDATE says of the change: RFC 2136, sections 2.2 and 3. */
export function outcomeOf(
  reply: { readonly kind: 'reply'; readonly message: Pick<Message, 'rcode'> } | Failure,
  at: string,
): WriteOutcome {
  if (reply.kind === 'failure') {
    const reason = `${at}: ${reply.reason}: ${reply.detail}`
    return reply.reason === 'too-large' ? { kind: 'refused', reason } : { kind: 'unknown', reason }
  }
  const found = rcodeText(reply.message.rcode)
  switch (reply.message.rcode) {
    case Rcode.NOERROR:
      return { kind: 'accepted' }
    case Rcode.NXRRSET:
    case Rcode.YXRRSET:
    case Rcode.NXDOMAIN:
    case Rcode.YXDOMAIN:
      return { kind: 'conflict', reason: `expected ${at} to find the records that were read, found others (${found})` }
    case Rcode.REFUSED:
    case Rcode.NOTAUTH:
    case Rcode.NOTZONE:
    case Rcode.NOTIMP:
    case Rcode.FORMERR:
      return {
        kind: 'refused',
        reason: `expected ${at} to take the update, found ${found}; see that it is the zone's primary, that the zone takes updates and that the key may change this name`,
      }
    // SERVFAIL too: a server that works off several updates in bulk gives it to all when one of them fails.
    default:
      return { kind: 'unknown', reason: `expected ${at} to answer the update, found ${found}` }
  }
}

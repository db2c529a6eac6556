/**
 * Which shards a manager is to have. Pure: what was read of the store goes in, what to do comes out. Whoever
 * does it makes each step conditional on exactly what was read, so that two who decide alike cannot both
 * succeed.
 *
 * Nobody's wall clock counts. A manager is dead for another one that has seen its document unchanged for a
 * whole lease on its own clock, while it could read the store; and it stops granting a tenth of a lease
 * earlier by its own, counted from before it asked to renew. Clocks that run at rates within a tenth of each
 * other are enough; if even that fails, the epoch at the dependency still decides.
 */
import type { LeaseManager, ShardLease } from '../model/lease.ts'
import type { Revision } from '../store/store.ts'
import type { Instant } from '../world/world.ts'

/** Of a lease: how early its owner stops granting. */
const marginShare = 0.1

export const grantsUntil = (askedAt: Instant, leaseMs: number): Instant =>
  (askedAt + leaseMs * (1 - marginShare)) as Instant

export interface Seen<Document> {
  readonly document: Document
  readonly revision: Revision
}

/** A manager's document, and since when it is as it is. */
export interface Watched extends Seen<LeaseManager> {
  readonly unchangedSince: Instant
}

/** What the reads so far tell. A store that could not be read for a while says nothing of who was silent meanwhile. */
export function watched(
  before: ReadonlyMap<string, Watched>,
  read: ReadonlyMap<string, Seen<LeaseManager>>,
  lastRead: Instant | undefined,
  now: Instant,
  leaseMs: number,
): ReadonlyMap<string, Watched> {
  const wasDeaf = lastRead === undefined || now - lastRead > leaseMs / 2
  return new Map(
    [...read].map(([id, seen]) => {
      const known = before.get(id)
      const isSame = !wasDeaf && known?.revision === seen.revision
      return [id, { ...seen, unchangedSince: isSame ? known.unchangedSince : now }]
    }),
  )
}

export interface View {
  readonly self: string
  readonly life: string
  readonly now: Instant
  readonly leaseMs: number
  /** By shard; undefined: nobody has had it. */
  readonly shards: readonly (Seen<ShardLease> | undefined)[]
  /** All but this one. */
  readonly others: ReadonlyMap<string, Watched>
}

export interface Moves {
  readonly take: readonly number[]
  readonly release: readonly number[]
  /** Dead managers whose shards are taken: each must not have changed meanwhile. */
  readonly dead: readonly string[]
}

export const isMine = (shard: Seen<ShardLease> | undefined, { self, life }: Pick<View, 'self' | 'life'>): boolean =>
  shard !== undefined && shard.document.owner === self && shard.document.life === life

/** Takes what is free or orphaned, up to its share; gives up what is above it. */
export function moves(view: View): Moves {
  const { self, life, now, leaseMs, shards, others } = view
  const alive = new Map([...others].filter(([, { unchangedSince }]) => now - unchangedSince < leaseMs))
  const share = Math.ceil(shards.length / (alive.size + 1))
  const mine: number[] = []
  const free: number[] = []
  const dead = new Set<string>()
  for (const [shard, seen] of shards.entries()) {
    if (isMine(seen, view)) mine.push(shard)
    else if (seen === undefined || seen.document.owner === '' || seen.document.owner === self) free.push(shard)
    else {
      const owner = alive.get(seen.document.owner)
      // Of its life before: it restarted, and has to take it like anybody else.
      if (owner === undefined || owner.document.life !== seen.document.life) free.push(shard)
    }
  }
  const room = share - mine.length
  // Each begins elsewhere, so that several who start together rarely want the same.
  const first = free.length === 0 ? 0 : offsetOf(self + life, free.length)
  const take = [...free.slice(first), ...free.slice(0, first)].slice(0, Math.max(0, room))
  for (const shard of take) {
    const owner = shards[shard]?.document.owner
    if (owner !== undefined && owner !== '' && owner !== self && others.has(owner)) dead.add(owner)
  }
  return { take, release: room < 0 ? mine.slice(room) : [], dead: [...dead] }
}

function offsetOf(text: string, below: number): number {
  let sum = 0
  for (let index = 0; index < text.length; index++) sum = (Math.imul(sum, 31) + text.charCodeAt(index)) >>> 0
  return sum % below
}

/**
 * One writer at a time, for an authority that replaces records whatever stands there (`atomic`): a lease in the store,
 * kept up by whoever writes the zone.
 *
 * No wall clock is compared with another. Who holds the lease counts from before its latest renewal set out; who waits
 * counts from when it last saw the lease change, so it never takes one over before its holder has given it up. What
 * this cannot exclude is a write that is under way for longer than `spareMs`: a lease limits who tries, and only a
 * condition at the authority decides who wins. The next reading finds such a write, and it is repaired.
 */
import { keys } from '../model/keys.ts'
import type { Name } from '../model/name.ts'
import type { Writer } from '../model/progress.ts'
import type { Guarantee } from '../providers/provider.ts'
import { never, type Revision, type Store } from '../store/store.ts'
import type { Instant, World } from '../world/world.ts'

/** A lease that nobody renewed for so long may be taken over. */
const leaseMs = 15_000
/** What has to be left of it when a write sets out. */
const spareMs = 10_000
/** Renewed when it is older than this. */
const renewMs = 3_000

export interface WriterLease {
  /** Null: this enactor may write now. Otherwise why not, in one sentence. @throws StoreOutage */
  takeOrExplain(): Promise<string | null>
  /** As of the latest call. */
  readonly isMine: boolean
  /** Who held it then; null if that was nobody or this enactor. */
  readonly other: string | null
}

export function writerLease(world: World, store: Store, zone: Name): WriterLease {
  const token = Buffer.from(world.random.bytes(8)).toString('hex')
  const key = keys.writer.key(zone)
  /** When the latest renewal that succeeded set out. */
  let renewed: Instant | null = null
  let seen: { readonly revision: Revision; readonly at: Instant } | null = null
  let other: string | null = null

  const waits = (by: string | null): string => {
    other = by
    renewed = null
    const who = by ?? 'nobody yet'
    return `the authority of ${zone} takes no conditions, so one enactor writes at a time, now ${who}`
  }

  return {
    get isMine() {
      return renewed !== null
    },
    get other() {
      return other
    },
    async takeOrExplain() {
      const now = world.clock.now()
      if (renewed !== null && now < renewed + renewMs) return null
      const entry = await store.get(key)
      const holder = entry && keys.writer.decode(entry.value)
      const revision = entry?.revision ?? never
      if (holder?.token !== token) {
        if (seen?.revision !== revision) seen = { revision, at: now }
        if (now < seen.at + leaseMs) return waits(holder?.enactor ?? null)
      }
      const begun = world.clock.now()
      const mine: Writer = { enactor: world.id, token }
      const commit = await store.commit([{ key, revision }], [{ kind: 'put', key, value: keys.writer.encode(mine) }])
      if (commit.kind !== 'committed') return waits(commit.kind === 'conflict' ? 'another' : null)
      renewed = begun
      other = null
      seen = null
      return world.clock.now() < begun + leaseMs - spareMs ? null : waits(null)
    },
  }
}

/** Why an authority with this guarantee cannot be written to at all; null if it can. */
export function unwritable(guarantee: Guarantee): string | null {
  if (guarantee === 'atomic-conditional' || guarantee === 'atomic') return null
  return 'expected an authority that changes the records and the marker of a name together, found one that takes single calls; serve the zone from another authority'
}

/**
 * The plan that an enactor works from, read shard by shard: a plan of a million endpoints is never in
 * memory as a whole. Parsed shards are kept by digest, at most `keptShards` of them, and shared by the
 * generations that share them.
 */
import { assert } from '../base/assert.ts'
import type { Digest } from '../base/bytes.ts'
import type { Head } from '../model/keys.ts'
import { type Name, zoneOf } from '../model/name.ts'
import { type PlanEntry, type PlanHead, parseEntryLine, shardLines, shardOf } from '../model/plan.ts'
import type { Zone } from '../model/policy.ts'
import { readShard } from '../store/plans.ts'
import type { Store } from '../store/store.ts'

const keptShards = 128

/** A part of the plan is not in the store: it was swept, so a newer one is there, or the store lost it. */
export class PlanVanished extends Error {
  override readonly name = 'PlanVanished'
}

/** One shard, by zone; under `null` the endpoints whose zone the configuration no longer has. */
export type ShardEntries = ReadonlyMap<Name | null, readonly PlanEntry[]>

export interface ShardSource {
  /** @throws PlanVanished, StoreOutage */
  read(digest: Digest): Promise<ShardEntries>
}

export function shardSource(store: Store, zones: ReadonlyMap<Name, Zone>): ShardSource {
  const kept = new Map<Digest, Promise<ShardEntries>>()
  async function load(digest: Digest): Promise<ShardEntries> {
    const reading = await readShard(store, digest)
    if (reading.kind !== 'shard') throw new PlanVanished(`${reading.problem.at}: ${reading.problem.found}`)
    const byZone = new Map<Name | null, PlanEntry[]>()
    for (const line of shardLines(reading.text)) {
      const entry = parseEntryLine(line)
      // The digest has shown that this is what the planner wrote, so a bad line is a planner's bug.
      assert(entry !== undefined, `expected an endpoint's line in shard ${digest}, found ${JSON.stringify(line)}`)
      const zone = zoneOf(entry.name, zones) ?? null
      const list = byZone.get(zone)
      if (list === undefined) byZone.set(zone, [entry])
      else list.push(entry)
    }
    return byZone
  }
  return {
    read(digest) {
      const found = kept.get(digest)
      if (found !== undefined) {
        kept.delete(digest)
        kept.set(digest, found)
        return found
      }
      const loading = load(digest)
      kept.set(digest, loading)
      // What could not be read is not remembered; whoever asked hears of it.
      loading.catch(() => kept.get(digest) === loading && kept.delete(digest))
      const [oldest] = kept.keys()
      if (kept.size > keptShards && oldest !== undefined) kept.delete(oldest)
      return loading
    },
  }
}

export interface PlanView {
  readonly head: Head
  readonly plan: PlanHead
  /** @throws PlanVanished, StoreOutage */
  shard(index: number): Promise<ShardEntries>
  /** A shard of an earlier plan, or undefined if it is gone. @throws StoreOutage */
  earlier(digest: Digest): Promise<ShardEntries | undefined>
  /** @throws PlanVanished, StoreOutage */
  entry(name: Name): Promise<PlanEntry | undefined>
}

export function planView(head: Head, plan: PlanHead, source: ShardSource, zones: ReadonlyMap<Name, Zone>): PlanView {
  const shard = (index: number) => {
    const digest = plan.shards[index]
    assert(digest !== undefined, `expected a shard index below ${plan.shards.length}, found ${index}`)
    return source.read(digest)
  }
  return {
    head,
    plan,
    shard,
    async earlier(digest) {
      try {
        return await source.read(digest)
      } catch (error) {
        if (error instanceof PlanVanished) return undefined
        throw error
      }
    },
    async entry(name) {
      const entries = await shard(shardOf(name, plan.shards.length))
      return entries.get(zoneOf(name, zones) ?? null)?.find((entry) => entry.name === name)
    },
  }
}

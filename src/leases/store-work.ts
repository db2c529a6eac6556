/** The store of Holdfast as the dependency: a document for each host, written where a smaller epoch stands. */
import { describeProblem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import { never, type Store, StoreOutage } from '../store/store.ts'
import type { World } from '../world/world.ts'
import type { Work, WorkHost, WorkOutcome } from './work.ts'

/**
 * A commit cannot be called back: at the time-out nobody waits for it any more, and what it writes then is
 * below the epoch of the next try.
 */
export function storeWork(world: World, store: Store, atOnce: number): Work {
  const late = async (timeoutMs: number): Promise<WorkOutcome> => {
    await world.clock.sleep(timeoutMs)
    return { kind: 'timeout', why: `the store did not answer in ${Math.round(timeoutMs)} ms` }
  }
  return {
    atOnce,
    grant: (host, epoch, timeoutMs) => Promise.race([write(host, epoch), late(timeoutMs)]),
    async close() {},
  }

  async function write({ id, site }: WorkHost, epoch: number): Promise<WorkOutcome> {
    const key = keys.leaseHost.key(id)
    try {
      const entry = await store.get(key)
      const before = entry === undefined ? undefined : keys.leaseHost.decode(entry.value)
      if (before !== undefined && before.epoch >= epoch)
        return { kind: 'refused', why: `the epoch ${before.epoch} stands there, ${epoch} is not above it` }
      const value = keys.leaseHost.encode({ epoch, site, at: world.clock.wall() })
      const commit = await store.commit([{ key, revision: entry?.revision ?? never }], [{ kind: 'put', key, value }])
      if (commit.kind === 'committed') return { kind: 'done' }
      if (commit.kind === 'conflict') return { kind: 'failed', why: 'somebody else wrote the host meanwhile' }
      return { kind: 'failed', why: commit.kind === 'unknown' ? commit.reason : describeProblem(commit.problem) }
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      return { kind: 'failed', why: error.message }
    }
  }
}

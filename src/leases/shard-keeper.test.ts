import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { type MemoryStore, memoryStore } from '../../test/support/memory-store.ts'
import { keys } from '../model/keys.ts'
import type { Commit, Store } from '../store/store.ts'
import type { EpochMs, Instant, TraceEvent, World } from '../world/world.ts'
import { ShardKeeper } from './shard-keeper.ts'

const leaseMs = 10_000
const shards = 8

/** Time that passes when it is told to; the wall may stand anywhere. */
class Time {
  now = 1_000
  wallAhead = 1_700_000_000_000
  #sleepers: { readonly at: number; readonly wake: () => void }[] = []

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ at: this.now + ms, wake }))
  }

  async pass(ms: number): Promise<void> {
    const until = this.now + ms
    for (;;) {
      for (let round = 0; round < 5; round++) await turn()
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > until) break
      this.now = Math.max(this.now, next.at)
      this.#sleepers = this.#sleepers.filter((one) => one !== next)
      next.wake()
    }
    this.now = until
  }
}

let seed = 0
const next = (): number => {
  seed += 1
  return seed
}

let time: Time
let store: MemoryStore
let events: TraceEvent[]
let lost: string[]

beforeEach(() => {
  time = new Time()
  store = memoryStore()
  events = []
  lost = []
})

function keeper(id: string, on: Store = store.another()): ShardKeeper & { freeze(): void } {
  let isFrozen = false
  const world: World = {
    id,
    clock: {
      now: () => time.now as Instant,
      wall: () => (time.now + time.wallAhead) as EpochMs,
      sleep: async (ms) => {
        await time.sleep(ms)
        while (isFrozen) await time.sleep(1_000_000)
      },
    },
    random: {
      below: (bound) => (next() * 7919) % bound,
      bytes: (length) => new Uint8Array(length).fill(next() % 256),
    },
    net: {} as World['net'],
    trace: (event) => void events.push(event),
  }
  const it = new ShardKeeper(world, on, {
    shards,
    leaseMs,
    url: `http://${id}`,
    onLost: (which, why) => void lost.push(`${id} lost ${which.size}: ${why}`),
  })
  void it.run()
  return Object.assign(it, {
    freeze() {
      isFrozen = true
    },
  })
}

const epochs = async () => {
  const { entries } = await store.range(keys.leaseShard.prefix)
  return entries.map(({ value }) => keys.leaseShard.decode(value)?.epoch ?? 0)
}

describe('managers', () => {
  test('share the shards, and each knows who has which', async () => {
    const one = keeper('one')
    await time.pass(100)
    expect(one.held).toBe(shards)
    expect(one.mayGrant(time.now as Instant)).toBe(true)
    const two = keeper('two')
    await time.pass(leaseMs)
    expect([one.held, two.held]).toEqual([4, 4])
    for (let shard = 0; shard < shards; shard++) {
      const [a, b] = [one.ownerOf(shard), two.ownerOf(shard)]
      if (a.kind === 'self') expect(b).toEqual({ kind: 'other', url: 'http://one' })
      else expect([a, b.kind]).toEqual([{ kind: 'other', url: 'http://two' }, 'self'])
    }
  })

  test('one that is frozen stops by its own clock before the other one takes over, with higher epochs', async () => {
    const one = keeper('one')
    await time.pass(100)
    const before = await epochs()
    const two = keeper('two')
    await time.pass(leaseMs)
    one.freeze()
    let stoppedAt = 0
    let takenAt = 0
    for (let step = 0; step < 200 && takenAt === 0; step++) {
      await time.pass(100)
      if (stoppedAt === 0 && !one.mayGrant(time.now as Instant)) stoppedAt = time.now
      if (two.held === shards) takenAt = time.now
    }
    expect(stoppedAt).toBeGreaterThan(0)
    expect(takenAt).toBeGreaterThan(stoppedAt)
    expect(takenAt - stoppedAt).toBeLessThan(leaseMs)
    expect((await epochs()).filter((epoch, shard) => epoch <= (before[shard] as number)).length).toBe(0)
  })

  test('a wall clock that jumps takes nothing from anybody', async () => {
    const one = keeper('one')
    const two = keeper('two')
    await time.pass(3 * leaseMs)
    const before = await epochs()
    for (const jump of [3_600_000, -86_400_000, 400 * 86_400_000]) {
      time.wallAhead += jump
      await time.pass(2 * leaseMs)
    }
    expect([one.held, two.held]).toEqual([4, 4])
    expect(await epochs()).toEqual(before)
    expect(lost.filter((text) => text.includes('took them over'))).toEqual([])
  })

  test('without the store nothing is granted, nothing is forgotten, and nobody is taken for dead afterwards', async () => {
    let isOut = false
    const outage = (): Commit | undefined => (isOut ? { kind: 'unknown', reason: 'no answer' } : undefined)
    store = memoryStore({ onCommit: outage })
    const one = keeper('one')
    const two = keeper('two')
    await time.pass(2 * leaseMs)
    lost = []
    isOut = true
    await time.pass(3 * leaseMs)
    expect([one, two].map((it) => it.mayGrant(time.now as Instant))).toEqual([false, false])
    expect(one.ail).toContain('the store cannot be used')
    isOut = false
    await time.pass(leaseMs / 2)
    expect([one, two].map((it) => it.mayGrant(time.now as Instant))).toEqual([true, true])
    expect(one.held + two.held).toBe(shards)
  })

  test('a commit whose outcome is not known is found out', async () => {
    let isUnknown = true
    store = memoryStore({
      onCommit(_compares, _writes, apply) {
        if (!isUnknown) return undefined
        isUnknown = false
        apply()
        return { kind: 'unknown', reason: 'no answer' }
      },
    })
    const one = keeper('one')
    await time.pass(leaseMs / 2)
    expect(one.held).toBe(shards)
    expect(one.mayGrant(time.now as Instant)).toBe(true)
    expect(new Set(await epochs()).size).toBe(1)
  })

  test('that restarts has its shards at once, with another epoch', async () => {
    const one = keeper('one')
    await time.pass(100)
    const [before = 0] = await epochs()
    one.freeze()
    const again = keeper('one')
    await time.pass(100)
    expect(again.held).toBe(shards)
    expect((await epochs())[0]).toBe(before + 1)
  })

  test('two under one id: the earlier one owns nothing any more, and both are told of', async () => {
    const one = keeper('one')
    await time.pass(100)
    const twin = keeper('one')
    await time.pass(leaseMs)
    expect([one.held, twin.held].toSorted()).toEqual([0, shards])
    expect(events.some(({ event }) => event === 'leases.twin')).toBe(true)
  })

  test('a shard whose epochs are used up is taken anew', async () => {
    const one = keeper('one')
    await time.pass(100)
    const before = await epochs()
    one.wornOut(3)
    await time.pass(leaseMs / 2)
    const after = await epochs()
    expect(after.map((epoch, shard) => epoch - (before[shard] as number))).toEqual([0, 0, 0, 1, 0, 0, 0, 0])
    expect(one.ownerOf(3)).toEqual({ kind: 'self', epoch: after[3] })
  })
})

import { beforeEach, expect, test } from 'vitest'
import { type MemoryStoreOptions, memoryStore } from '../../test/support/memory-store.ts'
import { problem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import type { Store } from '../store/store.ts'
import type { EpochMs, Instant, World } from '../world/world.ts'
import { storeWork } from './store-work.ts'

const trouble = problem('store', 'room on the disk', 'none', 'make some')
let wake: (() => void)[]
let asleep: number[]
const world = {
  id: 'leases-1',
  clock: {
    now: () => 5 as Instant,
    wall: () => 1_700_000_000_000 as EpochMs,
    sleep(ms: number) {
      asleep.push(ms)
      return new Promise<void>((resolve) => wake.push(resolve))
    },
  },
} as unknown as World

beforeEach(() => {
  wake = []
  asleep = []
})

function stand(options: MemoryStoreOptions = {}) {
  const store = memoryStore(options)
  const work = storeWork(world, store, 256)
  const grant = (epoch: number, id = 'h1') => work.grant({ id, site: 'south' }, epoch, 750)
  const written = async (from: Store = store) => {
    const entry = await from.get(keys.leaseHost.key('h1'))
    return entry === undefined ? undefined : keys.leaseHost.decode(entry.value)
  }
  return { store, work, grant, written }
}

test('a document for each host, written where a smaller epoch stands and nowhere else', async () => {
  const { grant, written, work } = stand()
  expect(work.atOnce).toBe(256)
  expect(await grant(7)).toEqual({ kind: 'done' })
  expect(await written()).toEqual({ epoch: 7, site: 'south', at: 1_700_000_000_000 })
  expect(await grant(8)).toEqual({ kind: 'done' })
  for (const epoch of [8, 7, 0])
    expect(await grant(epoch)).toEqual({
      kind: 'refused',
      why: `the epoch 8 stands there, ${epoch} is not above it`,
    })
  expect(await grant(1, 'h2')).toEqual({ kind: 'done' })
  expect((await written())?.epoch).toBe(8)
})

test('two managers that write at once: one of them is told, and the higher epoch cannot be lost', async () => {
  let rival: (() => Promise<unknown>) | undefined
  const { store, grant, written } = stand({
    async onCommit() {
      const first = rival
      rival = undefined
      await first?.()
      return undefined
    },
  })
  rival = () => storeWork(world, store, 1).grant({ id: 'h1', site: 'north' }, 9, 750)
  expect(await grant(5)).toEqual({ kind: 'failed', why: 'somebody else wrote the host meanwhile' })
  expect(await written()).toMatchObject({ epoch: 9, site: 'north' })
  expect(await grant(6)).toMatchObject({ kind: 'refused' })
})

test('a store that does not answer is waited for as long as was said; what it writes then is overtaken', async () => {
  let answer = () => {}
  let isSlow = true
  const { grant, written } = stand({
    async onCommit() {
      if (isSlow) await new Promise<void>((resolve) => (answer = resolve))
      return undefined
    },
  })
  const slow = grant(3)
  await new Promise(setImmediate)
  expect(asleep).toEqual([750])
  wake[0]?.()
  expect(await slow).toEqual({ kind: 'timeout', why: 'the store did not answer in 750 ms' })
  isSlow = false
  answer()
  await new Promise(setImmediate)
  expect((await written())?.epoch).toBe(3)
  expect(await grant(3)).toMatchObject({ kind: 'refused' })
  expect(await grant(4)).toEqual({ kind: 'done' })
})

test('an outcome that nobody knows, a refusal of the store and an outage are its trouble, not the host’s', async () => {
  const unknown = stand({ onCommit: () => ({ kind: 'unknown', reason: 'the connection broke' }) })
  expect(await unknown.grant(1)).toEqual({ kind: 'failed', why: 'the connection broke' })
  const full = stand({ onCommit: () => ({ kind: 'refused', problem: trouble }) })
  expect(await full.grant(1)).toMatchObject({ kind: 'failed', why: expect.stringContaining('room on the disk') })
  const gone = stand()
  await gone.store.close()
  expect(await gone.grant(1)).toMatchObject({ kind: 'failed', why: expect.stringContaining('expected an open store') })
})

test('a bug is no outcome', async () => {
  const { store } = stand()
  const broken: Store = { ...store, get: () => Promise.reject(new TypeError('a bug')) }
  await expect(storeWork(world, broken, 1).grant({ id: 'h1', site: '' }, 1, 750)).rejects.toThrow('a bug')
})

import { expect, test } from 'vitest'
import { memoryStore } from '../../test/support/memory-store.ts'
import type { Name } from '../model/name.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { unwritable, type WriterLease, writerLease } from './writer.ts'

const zone = 'z.test.' as Name

function region() {
  let now = 1_000
  let life = 0
  const store = memoryStore()
  const enactor = (id: string, over: Store = store): WriterLease => {
    const token = ++life
    const world = { id, clock: { now: () => now }, random: { bytes: () => new Uint8Array(8).fill(token) } }
    return writerLease(world as unknown as World, over, zone)
  }
  const pass = (ms: number): void => {
    now += ms
  }
  return { store, enactor, pass }
}

/** Asks as a turn does, every second. */
async function turns(pass: (ms: number) => void, leases: readonly WriterLease[], seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    pass(1_000)
    for (const lease of leases) await lease.takeOrExplain()
  }
}

test('one writes, the other says who', async () => {
  const { enactor, pass } = region()
  const [one, other] = [enactor('enactor-1'), enactor('enactor-2')]
  expect(await one.takeOrExplain()).toMatch(/takes no conditions.*nobody yet/)
  await turns(pass, [one, other], 16)
  expect([one.isMine, other.isMine]).toEqual([true, false])
  expect(await other.takeOrExplain()).toMatch(/now enactor-1$/)
  await turns(pass, [one, other], 60)
  expect([one.isMine, other.isMine, other.other]).toEqual([true, false, 'enactor-1'])
})

test('whoever is silent for long enough is followed, and finds out before it writes', async () => {
  const { enactor, pass } = region()
  const [one, other] = [enactor('enactor-1'), enactor('enactor-2')]
  await turns(pass, [one, other], 16)
  await turns(pass, [other], 14)
  expect(other.isMine).toBe(false)
  await turns(pass, [other], 3)
  expect(other.isMine).toBe(true)
  expect(await one.takeOrExplain()).toMatch(/now enactor-2$/)
})

test('a second life waits like everybody else', async () => {
  const { enactor, pass } = region()
  const one = enactor('enactor-1')
  await turns(pass, [one], 16)
  const again = enactor('enactor-1')
  expect(await again.takeOrExplain()).not.toBeNull()
  await turns(pass, [again], 16)
  expect(again.isMine).toBe(true)
})

test('a renewal that nobody confirmed is none, and one that took too long leaves no time to write', async () => {
  const { store, enactor, pass } = region()
  let outcome: 'usual' | 'lost' | 'slow' = 'usual'
  const lease = enactor('enactor-1', {
    ...store,
    commit: async (compares, writes) => {
      const commit = await store.commit(compares, writes)
      if (outcome === 'slow') pass(6_000)
      return outcome === 'lost' ? { kind: 'unknown', reason: 'no reply' } : commit
    },
  })
  await turns(pass, [lease], 16)
  expect(await lease.takeOrExplain()).toBeNull()
  outcome = 'lost'
  pass(4_000)
  expect(await lease.takeOrExplain()).not.toBeNull()
  outcome = 'slow'
  expect(await lease.takeOrExplain()).not.toBeNull()
  outcome = 'usual'
  expect(await lease.takeOrExplain()).toBeNull()
})

test('two that take it over at once: one has it', async () => {
  const { enactor, pass } = region()
  const leases = ['enactor-1', 'enactor-2', 'enactor-3'].map((id) => enactor(id))
  await Promise.all(leases.map((lease) => lease.takeOrExplain()))
  pass(20_000)
  const said = await Promise.all(leases.map((lease) => lease.takeOrExplain()))
  expect(said.filter((one) => one === null)).toHaveLength(1)
})

test('authorities of single calls are not written to', () => {
  expect(unwritable('atomic-conditional')).toBeNull()
  expect(unwritable('atomic')).toBeNull()
  expect(unwritable('none')).toMatch(/single calls/)
  expect(unwritable('rrset-conditional')).toMatch(/single calls/)
})

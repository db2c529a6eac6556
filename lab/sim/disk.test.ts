/** The simulated disk and the journal on it: what a crash may take, and what it may not. */
import { expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import { never, type Store } from '../../src/store/store.ts'
import { SimulatedDisk } from './disk.ts'
import { Journal } from './journal.ts'
import { Kernel, ms, type Process } from './kernel.ts'
import { stream } from './random.ts'

const value = (n: number) => new Uint8Array(700).fill(n)

/** A program that commits one document after the other, until somebody stops it. */
function writer(seed: number) {
  const kernel = new Kernel({ seed })
  const disk = new SimulatedDisk(kernel, 'd')
  const journal = new Journal(disk, seed, 'd')
  const acknowledged: number[] = []
  const process: Process = kernel.add('writer', async (self) => {
    const store = journal.open(self)
    let last = (await lastIn(store)) ?? 0
    for (;;) {
      last += 1
      const commit = await store.commit(
        [],
        [
          { kind: 'put', key: `n/${String(last).padStart(4, '0')}`, value: value(last % 256) },
          { kind: 'put', key: 'last', value: utf8(String(last)) },
        ],
      )
      if (commit.kind === 'committed') acknowledged.push(last)
      else last = (await lastIn(store)) ?? 0
    }
  })
  return { kernel, disk, journal, acknowledged, process }
}

async function lastIn(store: Store): Promise<number | undefined> {
  const entry = await store.get('last')
  return entry && Number(new TextDecoder().decode(entry.value))
}

test('what was acknowledged is there after every crash, whole, and nothing else but one more', async () => {
  let [torn, more] = [0, 0]
  for (let seed = 1; seed <= 60; seed++) {
    const { kernel, disk, journal, acknowledged, process } = writer(seed)
    const random = stream(seed, 'test')
    for (let life = 0; life < 5; life++) {
      kernel.start(process)
      await kernel.run(kernel.now + ms(random.between(1, 30)))
      kernel.crash(process)
      const before = disk.read().length
      if (random.chance({ of: 2, in: 3 })) disk.losePower()
      if (disk.read().length < before) torn++
      const store = journal.open(process)
      const last = (await lastIn(store)) ?? 0
      const known = acknowledged.at(-1) ?? 0
      expect([known, known + 1]).toContain(last)
      if (last > known) {
        more++
        acknowledged.push(last)
      }
      const { entries } = await store.range('n/')
      expect(entries).toHaveLength(last)
      for (const [index, entry] of entries.entries()) expect(entry.value).toEqual(value((index + 1) % 256))
    }
  }
  expect(torn).toBeGreaterThan(20)
  expect(more).toBeGreaterThan(20)
})

test('a disk that says yes and does nothing loses what was acknowledged', async () => {
  const { kernel, disk, journal, acknowledged, process } = writer(1)
  disk.syncs = false
  kernel.start(process)
  await kernel.run(ms(50))
  kernel.crash(process)
  disk.losePower()
  expect((await lastIn(journal.open(process))) ?? 0).toBeLessThan(acknowledged.at(-1) as number)
})

test('a full disk takes nothing and keeps what it has', async () => {
  const { kernel, disk, journal, acknowledged, process } = writer(1)
  kernel.start(process)
  await kernel.run(ms(50))
  kernel.crash(process)
  disk.weather = { ...disk.weather, full: true }
  const store = journal.open(process)
  const refused = store.commit([{ key: 'x', revision: never }], [{ kind: 'put', key: 'x', value: value(1) }])
  expect((await refused).kind).toBe('refused')
  expect(await lastIn(store)).toBeGreaterThanOrEqual(acknowledged.at(-1) as number)
})

test('after a sync that failed nobody knows, until it is read again', async () => {
  const { kernel, disk, acknowledged, process } = writer(3)
  disk.weather = { ...disk.weather, failing: { of: 1, in: 2 } }
  kernel.start(process)
  await kernel.run(ms(200))
  // It goes on from what it reads, and never acknowledges a number twice.
  expect(new Set(acknowledged).size).toBe(acknowledged.length)
  expect(acknowledged.length).toBeGreaterThan(10)
})

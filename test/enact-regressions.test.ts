/** What went wrong elsewhere, one scene each, played by production enactors. The R numbers name known failures of DNS automation. */
import { describe, expect, test } from 'vitest'
import { sweepOnce } from '../src/enact/sweep.ts'
import type { IpAddress } from '../src/model/address.ts'
import { parseMarker } from '../src/model/marker.ts'
import type { Name } from '../src/model/name.ts'
import type { Provider, WriteOutcome } from '../src/providers/provider.ts'
import { planGenerations } from '../src/store/plans.ts'
import { memoryStore } from './support/memory-store.ts'
import { addresses, alias, Stage } from './support/stage.ts'

const db = 'db.example.test.'
const www = 'www.example.test.'
const other = 'db.other.test.'
const at = (stage: Stage, name: string) => stage.authority.at(name as Name)
const generation = (stage: Stage, name: string) => parseMarker(at(stage, name).marker[0] ?? [])?.generation

/** Holds writes back until it is opened. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let waiting = 0
  const provider = (inner: Provider): Provider => ({
    ...inner,
    async write(zone, changes) {
      waiting++
      await promise
      return await inner.write(zone, changes)
    },
  })
  return { provider, open: resolve, isWaitedFor: () => waiting > 0 }
}

/** The authority answers the first `times` writes of each name in this way. */
function first(times: number, answer: (write: () => Promise<WriteOutcome>) => Promise<WriteOutcome>) {
  const left = new Map<Name, number>()
  return (inner: Provider): Provider => ({
    ...inner,
    write: async (zone, changes) =>
      await Promise.all(
        changes.map(async (change) => {
          const more = left.get(change.name) ?? times
          left.set(change.name, more - 1)
          const write = async () => (await inner.write(zone, [change]))[0] as WriteOutcome
          return more > 0 ? await answer(write) : await write()
        }),
      ),
  })
}

test('R1: a slow enactor with an old plan writes after the newest, while the sweep runs: it is turned down, nothing live is deleted', async () => {
  const stage = new Stage()
  const slow = gate()
  await stage.publish({ [db]: addresses('192.0.2.1') })
  stage.enactor('slow', { provider: slow.provider })
  await stage.until('the slow one is about to write', slow.isWaitedFor)
  stage.enactor('fast')
  for (let round = 2; round <= 9; round++) {
    await stage.publish({ [db]: addresses(`192.0.2.${round}`) })
    await stage.enacted('fast', round)
  }
  await sweepOnce(stage.schedule.world(stage.schedule.spawn('sweeper', async () => {})), stage.store, 2)
  // The slow one's plan is gone: it is not published, and what is under way needs it no more.
  expect(await planGenerations(stage.store)).toEqual([7, 8, 9])
  slow.open()
  await stage.enacted('slow', 9)
  expect(at(stage, db).addresses).toEqual(['192.0.2.9'])
  expect(stage.told('enact.conflicted')).toBeGreaterThan(0)
  expect(stage.authority.resolve(db as Name)).toEqual(['192.0.2.9'])
})

test('R6: two deployments with the same owner and stores of their own: the lower one writes nothing and says so', async () => {
  const stage = new Stage()
  const theirs = memoryStore({ sleep: () => Promise.resolve() })
  await stage.publish({ [db]: addresses('192.0.2.1') }, stage.store, 7)
  await stage.publish({ [db]: addresses('198.51.100.1') }, theirs, 3)
  stage.enactor('ours')
  await stage.enacted('ours', 7)
  stage.enactor('theirs', { store: theirs })
  await stage.until('they see that they are behind', async () => (await stage.progress('theirs', theirs))?.ahead === 7)
  await stage.pass(5_000)
  expect(at(stage, db).addresses).toEqual(['192.0.2.1'])
  expect(generation(stage, db)).toBe(7)
})

describe('R9: the authority says yes and does nothing', () => {
  test('once: it is seen and done again', async () => {
    const stage = new Stage()
    await stage.publish({ [db]: addresses('192.0.2.1') })
    stage.enactor('enactor', { provider: first(1, async () => ({ kind: 'accepted' })) })
    await stage.enacted('enactor', 1)
    expect(at(stage, db).addresses).toEqual(['192.0.2.1'])
    expect(stage.told('enact.unapplied')).toBe(1)
    expect((await stage.progress('enactor'))?.applied).toBe(1)
  })

  test('always: the name is reported, no alias is led there, other names go on', async () => {
    const stage = new Stage()
    const lying = (inner: Provider): Provider => ({
      ...inner,
      write: async (zone, changes) =>
        await Promise.all(
          changes.map(async (change) =>
            change.name === db ? { kind: 'accepted' } : ((await inner.write(zone, [change]))[0] as WriteOutcome),
          ),
        ),
    })
    await stage.publish({ [db]: addresses('192.0.2.1'), [www]: alias(db), [other]: addresses('192.0.2.3') })
    stage.enactor('enactor', { provider: lying })
    await stage.until('both are reported', async () => (await stage.progress('enactor'))?.blocked.length === 2)
    const { blocked = [] } = (await stage.progress('enactor')) ?? {}
    expect(blocked.map(({ name }) => name)).toEqual([db, www])
    expect(blocked[0]?.why).toContain('accepted')
    expect(blocked[1]?.why).toContain(db)
    expect(at(stage, other).addresses).toEqual(['192.0.2.3'])
    expect(at(stage, www).alias).toBeNull()
  })
})

test('R11: the answer to a write is lost: the enactor finds its own marker and is done', async () => {
  const stage = new Stage()
  await stage.publish({ [db]: addresses('192.0.2.1') })
  const lost = first(1, async (write) => {
    await write()
    return { kind: 'unknown', reason: 'time-out' }
  })
  let writes = 0
  stage.authority.onChange = () => writes++
  stage.enactor('enactor', { provider: lost })
  await stage.enacted('enactor', 1)
  expect(writes).toBe(1)
  expect((await stage.progress('enactor'))?.applied).toBe(1)
})

test('R12: addresses that come back do not let an old writer in', async () => {
  const stage = new Stage()
  const slow = gate()
  await stage.publish({ [db]: addresses('192.0.2.1') })
  stage.enactor('fast')
  await stage.enacted('fast', 1)
  await stage.publish({ [db]: addresses('192.0.2.2') })
  stage.enactor('slow', { provider: slow.provider })
  await stage.enacted('fast', 2)
  // Whatever slow has in hand was read when 192.0.2.1 or 192.0.2.2 stood there; now both come again.
  stage.authority.tamper(db as Name, { addresses: ['192.0.2.8' as IpAddress] })
  await stage.until('slow repairs, too', slow.isWaitedFor)
  await stage.enacted('fast', 2)
  await stage.publish({ [db]: addresses('192.0.2.8') })
  await stage.enacted('fast', 3)
  slow.open()
  await stage.enacted('slow', 3)
  expect(at(stage, db).addresses).toEqual(['192.0.2.8'])
  expect(generation(stage, db)).toBe(3)
})

test('R17: SERVFAIL because of a neighbour: it is looked at and done again', async () => {
  const stage = new Stage()
  await stage.publish({ [db]: addresses('192.0.2.1'), [www]: alias(db) })
  stage.enactor('enactor', { provider: first(2, async () => ({ kind: 'unknown', reason: 'SERVFAIL' })) })
  await stage.enacted('enactor', 1)
  expect(stage.authority.resolve(www as Name)).toEqual(['192.0.2.1'])
  expect((await stage.progress('enactor'))?.blocked).toEqual([])
})

describe('one authority of two is silent', () => {
  const silent =
    (isSilent: () => boolean) =>
    (inner: Provider): Provider => {
      const answers = (zone: Name) => zone !== 'other.test.' || !isSilent()
      return {
        guarantee: inner.guarantee,
        read: async (zone, names) =>
          answers(zone) ? await inner.read(zone, names) : names.map(() => ({ kind: 'outage', reason: 'time-out' })),
        write: async (zone, changes) =>
          answers(zone)
            ? await inner.write(zone, changes)
            : changes.map(() => ({ kind: 'unknown', reason: 'time-out' })),
      }
    }

  test('R7: the other zone goes on, and the silent one is taken up again by itself', async () => {
    const stage = new Stage()
    let down = true
    await stage.publish({ [db]: addresses('192.0.2.1'), [other]: addresses('192.0.2.3') })
    stage.enactor('enactor', { provider: silent(() => down) })
    await stage.until('the first zone is published', () => at(stage, db).addresses.length > 0)
    await stage.publish({ [db]: addresses('192.0.2.2'), [other]: addresses('192.0.2.3') })
    await stage.until('the next plan too', () => at(stage, db).addresses[0] === '192.0.2.2')
    expect((await stage.progress('enactor'))?.enacted).toBe(0)
    expect(stage.told('enact.authority_lost')).toBe(1)
    down = false
    await stage.enacted('enactor', 2)
    expect(at(stage, other).addresses).toEqual(['192.0.2.3'])
    expect(stage.told('enact.authority_found')).toBe(1)
  })

  test('nothing is retired meanwhile: an alias there may still lead to it', async () => {
    const stage = new Stage()
    let down = false
    const alias2 = 'alias.other.test.'
    await stage.publish({ [db]: addresses('192.0.2.1'), [www]: addresses('192.0.2.2'), [alias2]: alias(db) })
    stage.enactor('enactor', { provider: silent(() => down) })
    await stage.enacted('enactor', 1)
    down = true
    await stage.publish({ [db]: { kind: 'retired' }, [www]: addresses('192.0.2.2'), [alias2]: alias(www) })
    await stage.pass(10_000)
    expect(stage.authority.resolve(alias2 as Name)).toEqual(['192.0.2.1'])
    down = false
    await stage.enacted('enactor', 2)
    expect(stage.authority.resolve(alias2 as Name)).toEqual(['192.0.2.2'])
    expect(stage.authority.resolve(db as Name)).toEqual([])
  })
})

test('a store that lost history: the enactor writes nothing, says how far above the planner must go, and goes on from there', async () => {
  const stage = new Stage()
  await stage.publish({ [db]: addresses('192.0.2.1') }, stage.store, 40)
  stage.enactor('before')
  await stage.enacted('before', 40)
  const restored = memoryStore({ sleep: () => Promise.resolve() })
  await stage.publish({ [db]: addresses('192.0.2.5') }, restored)
  stage.enactor('after', { store: restored })
  await stage.until('it says so', async () => (await stage.progress('after', restored))?.ahead === 40)
  expect(at(stage, db).addresses).toEqual(['192.0.2.1'])
  await stage.publish({ [db]: addresses('192.0.2.5') }, restored, 41)
  await stage.enacted('after', 41, restored)
  expect(at(stage, db).addresses).toEqual(['192.0.2.5'])
})

test('S6: a foreign name is reported, never written, and taken once its records are gone', async () => {
  const stage = new Stage()
  stage.authority.tamper(db as Name, { addresses: ['203.0.113.1' as IpAddress], ttl: 60 })
  await stage.publish({ [db]: addresses('192.0.2.1'), [www]: addresses('192.0.2.2') })
  const program = stage.enactor('enactor')
  await stage.enacted('enactor', 1)
  expect((await stage.progress('enactor'))?.blocked).toMatchObject([
    { name: db, why: expect.stringContaining('adopt') },
  ])
  // A restart does not make it ours.
  stage.schedule.crash(program)
  await stage.pass(5_000)
  expect(at(stage, db).addresses).toEqual(['203.0.113.1'])
  expect((await stage.progress('enactor'))?.blocked).toHaveLength(1)
  stage.authority.tamper(db as Name, { addresses: [], ttl: null })
  await stage.until('it is taken', () => at(stage, db).addresses[0] === '192.0.2.1')
  await stage.until('it is no longer reported', async () => (await stage.progress('enactor'))?.blocked.length === 0)
})

test('an authority that lost all its data gets everything back', async () => {
  const stage = new Stage()
  const names = Array.from({ length: 600 }, (_, index) => `n${index}.example.test.`)
  await stage.publish(Object.fromEntries(names.map((name) => [name, addresses('192.0.2.1')])))
  stage.enactor('enactor')
  await stage.enacted('enactor', 1)
  for (const name of names) stage.authority.tamper(name as Name, { marker: [], addresses: [], ttl: null })
  await stage.until('all are back', () => names.every((name) => at(stage, name).addresses.length === 1))
})

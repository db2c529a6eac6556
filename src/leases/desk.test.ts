import { beforeEach, describe, expect, test } from 'vitest'
import { running } from '../recover/classes.ts'
import { Governor } from '../recover/governor.ts'
import { Desk } from './desk.ts'
import { epochOf } from './epoch.ts'
import { proofOf } from './proof.ts'
import { HostRegistry, Sites } from './registry.ts'
import type { Owner } from './shard-keeper.ts'
import type { SyncHost } from './sync.ts'

const key = 'a key of all managers'
const hostsMax = 4
const host = (id: string, changes: Partial<SyncHost> = {}): SyncHost => ({
  id,
  bootId: 'b1',
  epoch: 0,
  proof: '',
  klass: running,
  site: '',
  ...changes,
})

let owner: Owner
let governor: Governor
let registry: HostRegistry
let desk: Desk
let listed: ReadonlySet<string> | null
let now: number

beforeEach(() => {
  owner = { kind: 'self', epoch: 100 }
  listed = null
  now = 1_000
  governor = new Governor({
    hosts: hostsMax,
    sites: 4,
    now,
    random: () => 0.5,
    frontDoorPerSecond: 1_000,
    renewals: 'memory',
  })
  registry = new HostRegistry(hostsMax, 2)
  desk = new Desk(
    {
      governor,
      registry,
      sites: new Sites(4),
      shards: 2,
      ownerOf: () => owner,
      isListed: (id) => listed?.has(id) ?? true,
      random: () => 0.5,
      key: () => key,
      wornOut: () => {},
    },
    hostsMax,
  )
})

const say = (it: SyncHost) => desk.answer(it, now)
/** Starts what is to be started; the epochs that were written, by host. */
function grant(outcome: 'ok' | 'refused' | 'timeout' = 'ok'): Map<string, number> {
  const wrote = new Map<string, number>()
  for (let number = governor.next(now); number >= 0; number = governor.next(now)) {
    const begun = desk.begin(number)
    if (begun !== undefined) wrote.set(begun.host.id, begun.epoch)
    const isDone = governor.done(number, outcome, 5, now) === 'done'
    desk.ended(number, isDone, begun?.epoch ?? 0, now)
    if (outcome !== 'ok') break
  }
  return wrote
}

describe('a host', () => {
  test('waits, is granted, and shows what it was told', () => {
    expect(say(host('a'))).toMatchObject({ status: 'PENDING', epoch: 0, ttl: 0 })
    expect(grant()).toEqual(new Map([['a', epochOf(100, 1)]]))
    const told = say(host('a'))
    expect(told).toMatchObject({ status: 'LEASED', epoch: epochOf(100, 1) })
    expect(told.ttl).toBeGreaterThan(59_000)
    expect(told.pollAfterMs).toBeLessThan(told.ttl / 2)
    expect(told.proof).toBe(proofOf(key, 'a', 'b1', told.epoch))
    // It has it: it is not told again.
    expect(say(host('a', { epoch: told.epoch, proof: told.proof ?? '' }))).not.toHaveProperty('proof')
  })

  test('that was tried in vain is tried with a higher epoch, in case it happened all the same', () => {
    say(host('a'))
    expect(grant('timeout').get('a')).toBe(epochOf(100, 1))
    expect(grant().get('a')).toBe(epochOf(100, 2))
  })

  test('with an old epoch is told the present one, with no work for it', () => {
    say(host('a'))
    grant()
    expect(say(host('a', { epoch: 3 }))).toMatchObject({ status: 'LEASED', epoch: epochOf(100, 1) })
    expect(grant().size).toBe(0)
  })

  test('that claims an epoch that nobody granted gets no lease for it', () => {
    expect(say(host('a', { epoch: epochOf(99, 5), proof: 'x'.repeat(22) }))).toMatchObject({ status: 'PENDING' })
    grant()
    expect(say(host('a', { epoch: epochOf(200, 1) }))).toMatchObject({ status: 'STALE', epoch: epochOf(100, 1) })
    expect(desk.take()).toEqual([{ why: 'epoch', count: 1, host: 'a' }])
  })

  test('of another manager is taken up by its proof, without an operation', () => {
    const epoch = epochOf(99, 7)
    const proof = proofOf(key, 'a', 'b1', epoch)
    expect(say(host('a', { epoch, proof }))).toMatchObject({ status: 'LEASED', epoch })
    expect(governor.next(now)).toBe(-1)
    // The proof is of this host and this start of it alone.
    expect(say(host('b', { epoch, proof }))).toMatchObject({ status: 'PENDING' })
    expect(say(host('c', { bootId: 'b2', epoch, proof: proofOf(key, 'c', 'b1', epoch) }))).toMatchObject({
      status: 'PENDING',
    })
  })
})

describe('two hosts with one identity', () => {
  test('the one that started later has it, with a higher epoch; the other is told', () => {
    say(host('a', { bootId: 'first' }))
    grant()
    expect(say(host('a', { bootId: 'second' }))).toMatchObject({ status: 'PENDING' })
    expect(say(host('a', { bootId: 'first' }))).toMatchObject({ status: 'STALE' })
    expect(grant().get('a')).toBe(epochOf(100, 2))
    expect(say(host('a', { bootId: 'second' }))).toMatchObject({ status: 'LEASED', epoch: epochOf(100, 2) })
    expect(say(host('a', { bootId: 'first', epoch: epochOf(100, 1) }))).toMatchObject({ status: 'STALE', ttl: 0 })
    expect(desk.take()).toEqual([{ why: 'conflict', count: 2, host: 'a' }])
  })
})

describe('room', () => {
  test('is bounded, and of who is absent is used again; epochs never fall', () => {
    for (const id of ['a', 'b', 'c', 'd']) say(host(id))
    grant('refused')
    expect(say(host('e'))).toMatchObject({ status: 'PENDING' })
    expect(registry.numberOf('a')).toBe(-1)
    grant()
    // The one that had to leave comes back, in the place of nobody: the others hold leases.
    expect(say(host('a'))).toMatchObject({ status: 'UNKNOWN' })
    const e = registry.granted[registry.numberOf('e')] as number
    expect(e).toBeGreaterThanOrEqual(epochOf(100, 1))
  })

  test('a host that is not listed is told so', () => {
    listed = new Set(['a'])
    expect(say(host('b'))).toMatchObject({ status: 'UNKNOWN', reason: expect.stringContaining('list') })
    expect(say(host('a'))).toMatchObject({ status: 'PENDING' })
    expect(registry.size).toBe(1)
  })
})

describe('a shard', () => {
  test('of another manager: its hosts are sent there', () => {
    owner = { kind: 'other', url: 'http://127.0.0.1:2' }
    expect(say(host('a'))).toMatchObject({ status: 'MOVED', to: 'http://127.0.0.1:2' })
    expect(registry.size).toBe(0)
  })

  test('of nobody: its hosts wait, and nothing is remembered of them', () => {
    owner = { kind: 'nobody' }
    expect(say(host('a'))).toMatchObject({ status: 'PENDING' })
    expect(registry.size).toBe(0)
  })

  test('that is lost takes its hosts along; who is in flight follows when its operation ends', () => {
    say(host('a'))
    say(host('b'))
    const flying = governor.next(now)
    const begun = desk.begin(flying)
    owner = { kind: 'other', url: 'http://127.0.0.1:2' }
    desk.lose(new Set([0, 1]), now)
    expect(registry.size).toBe(1)
    expect(governor.waiting).toBe(0)
    // Nothing is started for it, and what comes back grants nothing here.
    expect(desk.begin(flying)).toBeUndefined()
    const isDone = governor.done(flying, 'ok', 5, now) === 'done'
    desk.ended(flying, isDone, begun?.epoch ?? 0, now)
    expect(registry.size).toBe(0)
    expect(governor.snapshot().leased).toBe(0)
    owner = { kind: 'self', epoch: 101 }
    expect(say(host('a'))).toMatchObject({ status: 'PENDING' })
    expect(grant().get('a')).toBe(epochOf(101, 1))
  })
})

describe('who cannot be heard', () => {
  test('comes again while a lease that it may hold is still good, however slow everything is', () => {
    // More hosts than the front door can hear within a lease.
    const slow = new Governor({
      hosts: 1_000_000,
      sites: 1,
      now: 0,
      random: () => 0.99,
      frontDoorPerSecond: 20_000,
      renewals: 'memory',
      hint: { throughput: 1, limit: 4 },
    })
    expect(slow.retryAfter()).toBeGreaterThan(100_000)
    const its = new Desk(
      {
        governor: slow,
        registry: new HostRegistry(100_000, 2),
        sites: new Sites(1),
        shards: 2,
        ownerOf: () => ({ kind: 'nobody' }),
        isListed: () => true,
        random: () => 0.99,
        key: () => key,
        wornOut: () => {},
      },
      100_000,
    )
    expect(its.comeAgainMs()).toBeLessThanOrEqual(slow.ttlMs / 3)
    expect(its.answer(host('a'), 1_000).pollAfterMs).toBeLessThanOrEqual(slow.ttlMs / 3)
  })
})

import { expect, test } from 'vitest'
import type { ReadSecret } from '../model/secret.ts'
import { ailsOf } from './ails.ts'
import { Doorkeeper } from './doorkeeper.ts'

const good = 'the-token-of-the-fleet'
const missing = { kind: 'unreadable', why: '/etc/fleet.token: expected a file, found none' } as const

function stand(first: ReturnType<ReadSecret>) {
  const state = { now: 0, reading: first, reads: 0 }
  const doorkeeper = new Doorkeeper({
    token: { kind: 'file', file: 'fleet.token' },
    secret() {
      state.reads++
      return state.reading
    },
    now: () => state.now,
  })
  const later = (reading: ReturnType<ReadSecret>) => {
    state.now += 10_000
    state.reading = reading
  }
  return { doorkeeper, state, later }
}
const secret = (text: string) => ({ kind: 'secret', text }) as const

test('a token that was never there lets nobody in, and says so before anybody asks', () => {
  const { doorkeeper, later } = stand(missing)
  expect(doorkeeper.trouble()).toEqual({ why: missing.why, isKept: false })
  expect(doorkeeper.admits(`Bearer ${good}`)).toBe(false)
  expect(doorkeeper.admits('Bearer ')).toBe(false)
  later(secret(good))
  expect(doorkeeper.trouble()).toBeUndefined()
  expect(doorkeeper.admits(`Bearer ${good}`)).toBe(true)
})

test('a token that is gone, empty or too short later shuts nobody out who has the one before', () => {
  const { doorkeeper, later } = stand(secret(good))
  const version = doorkeeper.version()
  for (const reading of [missing, { kind: 'unreadable', why: 'it is empty' } as const, secret('short'), secret('')]) {
    later(reading)
    expect(doorkeeper.trouble()?.isKept).toBe(true)
    expect([doorkeeper.admits(`Bearer ${good}`), doorkeeper.version()]).toEqual([true, version])
    expect(doorkeeper.admits('Bearer short')).toBe(false)
  }
  expect(JSON.stringify(doorkeeper.trouble())).not.toContain('short')
  later(secret('another-token-of-the-fleet'))
  expect([doorkeeper.admits(`Bearer ${good}`), doorkeeper.version()]).toEqual([false, version + 1])
  expect(doorkeeper.trouble()).toBeUndefined()
})

test('it is read again every 2 s, however often it is asked for', () => {
  const { doorkeeper, state } = stand(secret(good))
  for (state.now = 0; state.now < 10_000; state.now += 100) {
    doorkeeper.admits(`Bearer ${good}`)
    doorkeeper.trouble()
  }
  expect(state.reads).toBe(5)
})

test('what ails is said in sentences, and nothing when nothing does', () => {
  const well = { token: undefined, dependency: 'up', waiting: 5, overdue: 0, others: ['', ''] } as const
  expect(ailsOf(well)).toEqual([])
  const token = { why: 'it is empty', isKept: false }
  expect(ailsOf({ ...well, token, dependency: 'down', overdue: 2, others: ['', 'no store'] })).toEqual([
    'the token of the fleet (leases.token) cannot be used, so no host is let in: it is empty',
    'the dependency does not answer: 5 hosts wait, none is dropped',
    '2 leases ran out faster than they may be taken away: look at who went silent',
    'no store',
  ])
  expect(ailsOf({ ...well, token: { ...token, isKept: true } })[0]).toContain('the one before still counts')
})

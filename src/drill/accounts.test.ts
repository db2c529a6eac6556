import { expect, test } from 'vitest'
import { Accounts, readCounted } from './accounts.ts'

const shown = (done: number, refused: number, failed: number, timeout: number, limit = 8) =>
  readCounted({ allow: true, limit, operations: { done, refused, failed, timeout } })

test('what a manager did counts from the first look, and from nothing again when it started anew', () => {
  const account = new Accounts()
  expect([account.work, account.limit]).toEqual([null, undefined])
  account.take(shown(1_000, 5, 5, 90))
  expect(account.work).toEqual({ operations: 0, timeouts: 0, failures: 0 })
  account.take(shown(1_100, 6, 7, 95, 16))
  expect([account.work, account.limit]).toEqual([{ operations: 108, timeouts: 5, failures: 3 }, 16])
  account.take(undefined)
  account.take(shown(10, 1, 0, 2))
  expect(account.work).toEqual({ operations: 121, timeouts: 7, failures: 4 })
})

test('who shows no counters, or none that can be, says nothing', () => {
  for (const value of [
    undefined,
    null,
    [],
    { allow: true },
    { allow: true, limit: 8, operations: {} },
    { allow: true, limit: -1, operations: { done: 1, refused: 0, failed: 0, timeout: 0 } },
    { allow: true, limit: 8, operations: { done: '1', refused: 0, failed: 0, timeout: 0 } },
  ])
    expect(readCounted(value)).toBeUndefined()
})

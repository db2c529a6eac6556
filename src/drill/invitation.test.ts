import { expect, test } from 'vitest'
import { isLoopback, readInvitation, refusalOf } from './invitation.ts'
import { wordsOf } from './words.ts'

const now = Date.parse('2030-01-01T00:00:00Z')
const asked = { host: '127.0.0.1', invitation: { allow: true }, where: 'there', sureOf: undefined, now }

test('an invitation is exactly that', () => {
  expect(readInvitation({ allow: true })).toEqual({ allow: true })
  expect(readInvitation({ allow: true, until: '2030-01-01T00:00:00Z' })).toEqual({ allow: true, until: now })
  expect(readInvitation({ allow: true, until: null })).toEqual({ allow: true })
  for (const wrong of [
    undefined,
    null,
    true,
    'allow',
    {},
    { allow: 'true' },
    { allow: 1 },
    { allow: true, until: 'soon' },
  ])
    expect(readInvitation(wrong)).toBeUndefined()
})

test('who is not invited is refused, and told what to do', () => {
  expect(refusalOf(asked)).toBeUndefined()
  expect(refusalOf({ ...asked, invitation: 'status 404' })).toMatchObject({ found: 'status 404' })
  expect(refusalOf({ ...asked, invitation: { allow: false } })).toMatchObject({ todo: 'ask whose system it is' })
  expect(refusalOf({ ...asked, invitation: { allow: true, until: now } })?.found).toContain('ended 2030')
  expect(refusalOf({ ...asked, invitation: { allow: true, until: now + 1 } })).toBeUndefined()
})

test('elsewhere than on this machine only by the exact name', () => {
  const far = { ...asked, host: 'db.staging.example' }
  expect(refusalOf(far)?.todo).toContain('--i-am-sure db.staging.example')
  expect(refusalOf({ ...far, sureOf: 'db.example' })).toBeDefined()
  expect(refusalOf({ ...far, sureOf: 'db.staging.example' })).toBeUndefined()
  // To be sure does not replace the invitation.
  expect(refusalOf({ ...far, sureOf: 'db.staging.example', invitation: 'nothing' })).toBeDefined()
})

test('what is on this machine', () => {
  for (const host of ['127.0.0.1', '127.8.9.10', '::1', '[::1]', 'localhost']) expect(isLoopback(host)).toBe(true)
  for (const host of ['10.0.0.1', '127.0.0.1.example', 'localhost.example', '::', '128.0.0.1', ''])
    expect(isLoopback(host)).toBe(false)
})

test('words of a command, without a shell', () => {
  expect(wordsOf('systemctl stop db')).toEqual(['systemctl', 'stop', 'db'])
  expect(wordsOf(`sh -c 'kill -STOP $(cat db.pid) | true'`)).toEqual(['sh', '-c', 'kill -STOP $(cat db.pid) | true'])
  expect(wordsOf(String.raw`a "b c" d\ e ''`)).toEqual(['a', 'b c', 'd e', ''])
  expect(wordsOf('')).toBe('nothing')
  expect(wordsOf(`a 'b`)).toContain('does not end')
  expect(wordsOf('a \\')).toContain('backslash')
  for (const shell of ['a; b', 'a | b', 'a && b', 'a $HOME', 'a `b`', 'a > b'])
    expect(wordsOf(shell)).toContain('shell')
})

import { describe, expect, test } from 'vitest'
import { name, observation, override } from '../../test/support/planning.ts'
import { utf8 } from '../base/bytes.ts'
import type { Generation } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import type { OverrideAction } from '../model/override.ts'
import { aheadOf, readAhead, readObservation, readOverride } from './documents.ts'

describe('an override', () => {
  const actions: OverrideAction[] = [
    { kind: 'drain', pool: 'web', target: 't0' },
    { kind: 'pin', name: name('db') },
    { kind: 'retire', name: name('db') },
    { kind: 'freeze' },
    { kind: 'rollback', to: 3 as Generation },
  ]
  test.each(actions)('is read as it was written: $kind', (action) => {
    const given = override(action)
    expect(readOverride(keys.override.key(action), keys.override.encode(given))).toEqual(given)
  })

  const freeze = override({ kind: 'freeze' })
  test.each([
    ['nothing', undefined],
    ['no action', { ...freeze, action: undefined }],
    ['an unknown action', { ...freeze, action: { kind: 'explode' } }],
    ['a generation that is none', { ...freeze, action: { kind: 'rollback', to: -1 } }],
    ['a name that is none', { ...freeze, action: { kind: 'pin', name: 'Not A Name' } }],
    ['no author', { ...freeze, author: undefined }],
    ['an expiry that is none', { ...freeze, expires: 'soon' }],
    ['another subject than its key', override({ kind: 'retire', name: name('db') })],
  ])('is refused with %s', (_, document) => {
    expect(readOverride('override/freeze', utf8(JSON.stringify(document) ?? ''))).toBeUndefined()
  })
})

describe('an observation', () => {
  const seen = observation('web', { t0: 'pp', t1: 'ff' }, 1_000)
  const key = keys.observation.key('web', 'prober-1')
  test('is read as it was written, without results that are none', () => {
    expect(readObservation(key, keys.observation.encode(seen))).toEqual(seen)
    const damaged = { ...seen, targets: { ...seen.targets, t2: { history: 'xx', at: 1, detail: '' }, t3: null } }
    expect(readObservation(key, utf8(JSON.stringify(damaged)))).toEqual(seen)
  })

  test.each([
    ['another key', 'observation/web/other', seen],
    ['no targets', key, { ...seen, targets: null }],
    ['no time', key, { ...seen, at: null }],
  ])('is refused with %s', (_, under, document) => {
    expect(readObservation(under, utf8(JSON.stringify(document)))).toBeUndefined()
  })
})

describe('markers ahead', () => {
  const of = (working: number, ahead: number | null) => ({
    working: working as Generation,
    ahead: ahead as Generation | null,
  })
  test.each([
    ['nobody saw one', [of(5, null)], null],
    ['one above the head, whatever plan its enactor worked from', [of(2, 9), of(5, null)], 9],
    ['one of a generation that the head has, seen with the head in hand', [of(5, 3)], 3],
    ['one that an older plan could not replace: the head may have', [of(4, 3)], null],
    ['several', [of(5, 8), of(5, 11), of(5, 9)], 11],
  ])('%s', (_, progress, expected) => {
    expect(aheadOf(progress, 5 as Generation)).toBe(expected)
  })

  test('are read with care', () => {
    expect(readAhead(utf8('{"working":3,"ahead":7}'))).toEqual({ working: 3, enacted: 3, ahead: 7 })
    expect(readAhead(utf8('{"working":3,"ahead":1e99}'))).toEqual({ working: 3, enacted: 3, ahead: null })
    expect(readAhead(utf8('{"ahead":7}'))).toBeUndefined()
    expect(readAhead(utf8('rubbish'))).toBeUndefined()
  })
})

import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../test/support/memory-store.ts'
import { compiled, fixed, name, policy } from '../../test/support/planning.ts'
import { utf8 } from '../base/bytes.ts'
import { genesis } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import { readEntry, readHead, readPlan } from '../store/plans.ts'
import { never, type Revision } from '../store/store.ts'
import type { EpochMs } from '../world/world.ts'
import { decide } from './decide.ts'
import { publish } from './publish.ts'

function plan() {
  const decided = decide({
    compiled: compiled(policy([], [fixed('static', '198.51.100.1')])),
    observations: new Map(),
    reports: new Map(),
    demands: new Map(),
    overrides: [],
    refused: new Map(),
    previous: null,
    above: genesis,
    rebase: null,
    rollback: null,
    since: 0 as EpochMs,
    noticed: null,
    now: 1_000 as EpochMs,
    author: 'test',
  })
  if (decided.kind !== 'plan') throw new Error('expected a plan')
  return decided
}

const retire = keys.override.key({ kind: 'retire', name: name('old') })
const freeze = keys.override.key({ kind: 'freeze' })

describe('one commit', () => {
  test('makes a plan readable, whole, and takes back what it used up', async () => {
    const store = memoryStore()
    await store.commit([], [{ kind: 'put', key: retire, value: utf8('{}') }])
    const outcome = await publish(store, plan(), never, [{ key: freeze, revision: never }], [retire])
    expect(outcome).toMatchObject({ kind: 'published', head: { generation: 1 }, revision: 2 })
    const head = await readHead(store)
    if (head.kind !== 'head') throw new Error(head.kind)
    const read = await readPlan(store, head.head.generation, head.head.digest)
    if (read.kind !== 'plan') throw new Error(read.problem.found)
    expect(read.plan).toEqual(plan().head)
    expect(await readEntry(store, read.plan, name('static'))).toMatchObject({
      kind: 'entry',
      entry: { since: 1, born: 1 },
    })
    expect(await readEntry(store, read.plan, name('none'))).toEqual({ kind: 'absent' })
    expect(await store.get(retire)).toBeUndefined()
  })

  test.each([
    ['the head moved', keys.head.key(), never],
    ['the plan exists', keys.plan.key(plan().head.generation), never],
    ['a freeze came', freeze, never],
  ])('is lost when %s', async (_, key, read) => {
    const store = memoryStore()
    await store.commit([], [{ kind: 'put', key, value: utf8('{}') }])
    const before = await store.range('')
    const outcome = await publish(store, plan(), read, [{ key: freeze, revision: never }])
    expect(outcome).toEqual({ kind: 'lost', key })
    expect(await store.range('')).toEqual(before)
  })

  test('tells refusals and unknown outcomes apart', async () => {
    const unknown = memoryStore({ onCommit: () => ({ kind: 'unknown', reason: 'the line is cut' }) })
    expect(await publish(unknown, plan(), never)).toEqual({ kind: 'unknown', reason: 'the line is cut' })
    const full = { kind: 'problem', at: 'store', expected: 'room', found: 'none', todo: 'make room' } as const
    const refusing = memoryStore({ onCommit: () => ({ kind: 'refused', problem: full }) })
    expect(await publish(refusing, plan(), 1 as Revision)).toEqual({ kind: 'refused', problem: full })
  })
})

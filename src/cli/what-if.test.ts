/** Supposing: the reducer run ahead says what would leave, what would be held back, and when. */
import { expect, test } from 'vitest'
import { pool, target } from '../../test/support/planning.ts'
import { type StepInput, step } from '../health/step.ts'
import type { Observation } from '../model/observation.ts'
import type { PoolState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { roundsMax, whatIf } from './what-if.ts'

const now = 1_800_000_000_000 as EpochMs
const nine = pool(
  'web',
  Array.from({ length: 9 }, (_, index) => target(index)),
)

function seen(prober: string): Observation {
  const targets = Object.fromEntries(
    nine.targets.map(({ id }) => [id, { history: 'pppppp', at: now, detail: 'ok', latencyMs: 1 }]),
  )
  return { pool: 'web', prober, at: now, complete: true, targets }
}

function serving(): StepInput {
  const input: StepInput = {
    pool: nine,
    previous: undefined,
    observations: [seen('prober-1'), seen('prober-2'), seen('prober-3')],
    reports: [],
    demands: [],
    drains: new Map(),
    evacuations: new Map(),
    since: (now - 600_000) as EpochMs,
    now,
  }
  const first = step(input)
  if (first.kind !== 'state') throw new Error(first.reasons[0]?.text)
  return { ...input, previous: first.state }
}

const texts = (moments: readonly { readonly texts: readonly string[] }[]): string =>
  moments.flatMap((moment) => moment.texts).join('\n')

test('nothing supposed, nothing happens', () => {
  const { moments, end } = whatIf(serving(), { down: new Set(), up: new Set() }, 60_000)
  expect(moments).toEqual([])
  expect(end?.state.capacity).toBe(1)
})

test('one target that fails leaves after as many rounds as it takes, and no other', () => {
  const { moments, end } = whatIf(serving(), { down: new Set(['t4']), up: new Set() }, 60_000)
  const left = moments.find((moment) => texts([moment]).includes('t4 was removed'))
  expect(left?.afterMs).toBe(nine.fall * nine.intervalMs)
  expect(left?.capacity).toBeCloseTo(8 / 9)
  expect(end?.state.targets.t4?.kind).toBe('removed')
  expect(Object.values(end?.state.targets ?? {}).filter(({ kind }) => kind === 'serving')).toHaveLength(8)
})

test('of two that fail the second is held back by the budget, for as long as it says', () => {
  const { moments } = whatIf(serving(), { down: new Set(['t3', 't4']), up: new Set() }, 180_000)
  const held = /(t\d) is held back by pool-budget until \+(\d+) s/.exec(texts(moments))
  expect(held).not.toBeNull()
  const later = moments.find((moment) => texts([moment]).includes(`${held?.[1]} was removed`))
  expect((later?.afterMs ?? 0) / 1000).toBe(Number(held?.[2]))
})

test('all that fail together are not believed', () => {
  const down = new Set(nine.targets.map(({ id }) => id))
  const { moments, end } = whatIf(serving(), { down, up: new Set() }, 60_000)
  expect(texts(moments)).toMatch(/not believed/)
  expect(end?.state.capacity).toBeGreaterThanOrEqual(8 / 9)
})

test('an operator who takes a target out is supposed, too; and what is out comes back when it passes', () => {
  const input = serving()
  const order = { by: 'ann', reason: 'x', underFloor: false }
  const { end } = whatIf({ ...input, drains: new Map([['t0', order]]) }, { down: new Set(), up: new Set() }, 10_000)
  expect(end?.state.targets.t0?.kind).toBe('drained')
  const state = whatIf(input, { down: new Set(['t4']), up: new Set() }, 10_000).end?.state as PoolState
  const back = whatIf({ ...input, previous: state }, { down: new Set(), up: new Set(['t4']) }, 120_000)
  expect(back.end?.state.targets.t4?.kind).toBe('serving')
})

test('however far somebody wants to look, the rounds are bounded', () => {
  const { forMs } = whatIf(serving(), { down: new Set(), up: new Set() }, 1e12)
  expect(forMs).toBe(roundsMax * nine.intervalMs)
})

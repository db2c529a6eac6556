import { expect, test } from 'vitest'
import { name, policy, pool, pooled, target } from '../../test/support/planning.ts'
import { digestOf } from '../base/bytes.ts'
import type { IpAddress } from '../model/address.ts'
import type { Answer } from '../model/answer.ts'
import type { PlanHead, PoolState, Removal, TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { unexplainedRemoval } from './removal.ts'

const at = (ms: number) => ms as EpochMs
const now = at(1_000_000)
const web = pool(
  'web',
  Array.from({ length: 10 }, (_, i) => target(i)),
)
const source = policy([web], [pooled('db', 'web')])
const address = (i: number) => `192.0.2.${i + 1}` as IpAddress

const answer = (...out: number[]): Answer => ({
  kind: 'addresses',
  ttl: 5 as never,
  addresses: web.targets.flatMap((_, i) => (out.includes(i) ? [] : [{ address: address(i), weight: 100 }])) as never,
})
const everybody = { addresses: web.targets.map((_, i) => address(i)) }
const removal = (i: number, ms = now as number, more: Partial<Removal> = {}): Removal => ({
  at: at(ms),
  target: `t${i}`,
  site: `site${i % 3}`,
  capacity: 100,
  ...more,
})
const removed = (ms = now as number, unanswered = false): TargetState => ({
  kind: 'removed',
  since: at(ms),
  reason: 'refused',
  ...(unanswered ? { unanswered: true } : {}),
})

interface Plan extends Partial<Pick<PlanHead, 'policy' | 'pinned' | 'rolledBackTo' | 'at'>> {
  readonly states?: Readonly<Record<number, TargetState>>
  readonly ledger?: readonly Removal[]
}

function planOf({ states = {}, ledger = [], ...rest }: Plan): PlanHead {
  const serving: TargetState = { kind: 'serving', since: at(0) }
  const state: PoolState = {
    targets: Object.fromEntries(web.targets.map(({ id }, i) => [id, states[i] ?? serving])),
    failOpenSince: null,
    ledger,
    capacity: 1,
  }
  return { at: now, policy: source.digest, pools: { web: state }, ...rest } as unknown as PlanHead
}

const judge = (plan: Plan, wanted: Answer, published = everybody, when = now) =>
  unexplainedRemoval(source, planOf(plan), { name: name('db'), answer: wanted }, published, when)

test('what takes nothing away needs no explanation', () => {
  expect(judge({}, answer())).toBeNull()
  expect(judge({ states: { 3: removed() } }, answer(), { addresses: [address(1)] })).toBeNull()
  expect(judge({}, answer(1), { addresses: [] })).toBeNull()
})

test('what the plan wrote down is explained', () => {
  expect(judge({ states: { 3: removed() }, ledger: [removal(3)] }, answer(3))).toBeNull()
  expect(judge({ states: { 3: { kind: 'drained', since: now, by: 'ops', reason: 'x' } } }, answer(3))).toBeNull()
  expect(judge({ states: { 3: { kind: 'evacuated', since: now } } }, answer(3))).toBeNull()
  expect(judge({ states: { 3: { kind: 'new', since: now } } }, answer(3))).toBeNull()
  // Ones that were found down when the pool began never answered.
  expect(judge({ states: { 3: removed(now, true), 4: removed(now, true) } }, answer(3, 4))).toBeNull()
})

test('an address of a target that answers, by the very same plan, is not left out', () => {
  expect(judge({}, answer(3))).toBe(
    'expected t3 to stay in the answer, since it is serving in the plan, found it left out',
  )
  expect(judge({ states: { 3: { kind: 'held', since: now, by: 'floor' } } }, answer(3))).toContain('it is held')
})

test('a removal that no ledger speaks of is not carried out', () => {
  expect(judge({ states: { 3: removed() } }, answer(3))).toBe(
    'expected the removal of t3 in the ledger of the plan, found none',
  )
})

test('a ledger over the budget is no explanation', () => {
  const states = { 3: removed(), 4: removed() }
  expect(judge({ states, ledger: [removal(3), removal(4)] }, answer(3, 4))).toBe(
    'expected at most 50 of the capacity of web to leave in 60000 ms, found 200 in the ledger of the plan',
  )
  // One in each window, and an enactor that was away for long.
  expect(
    judge({ states: { 3: removed(), 4: removed(939_000) }, ledger: [removal(3), removal(4, 939_000)] }, answer(3, 4)),
  ).toBeNull()
  // Nor does a clock that was put back, here or at the planner, bring them together.
  const apart = { states: { 3: removed(), 4: removed(939_000) }, ledger: [removal(3), removal(4, 939_000)] }
  expect(judge({ ...apart, at: at(1_000) }, answer(3, 4), everybody, at(2_000))).toBeNull()
  const together = { states: { 3: removed(), 4: removed(941_000) }, ledger: [removal(3), removal(4, 941_000)] }
  expect(judge({ ...together, at: at(1_000) }, answer(4), everybody, at(2_000))).toContain('found 200 in the ledger')
})

test('half stays, whatever the ledger says', () => {
  const states = Object.fromEntries([0, 1, 2, 3, 4, 5].map((i) => [i, removed(i === 5 ? 1_000_000 : 500_000)]))
  expect(judge({ states, ledger: [removal(5)] }, answer(0, 1, 2, 3, 4, 5))).toBe(
    'expected at least 500 of the capacity of web to stay, found 400',
  )
})

test('nothing waits for ever: what has been out for a window is explained by that', () => {
  const states = Object.fromEntries([0, 1, 2, 3, 4, 5].map((i) => [i, removed(900_000)]))
  expect(judge({ states }, answer(0, 1, 2, 3, 4, 5))).toBeNull()
  // By the clock of the plan, or by that of the enactor, whichever is further.
  expect(judge({ states: { 3: removed() } }, answer(3), everybody, at(1_060_000))).toBeNull()
})

test('what an operator did is not judged', () => {
  expect(judge({ rolledBackTo: 1 as never }, answer(3))).toBeNull()
  expect(judge({ pinned: [name('db')] }, answer(3))).toBeNull()
  expect(judge({ policy: digestOf('another') }, answer(3))).toBeNull()
  const states = { 3: removed(), 4: removed() }
  const ledger = [removal(3, now, { by: 'rollback' }), removal(4, now, { by: 'rollback' })]
  expect(judge({ states, ledger }, answer(3, 4))).toBeNull()
  // An address that is no target's, such as one that the policy gave up.
  expect(judge({}, answer(), { addresses: ['198.51.100.9' as IpAddress] })).toBeNull()
})

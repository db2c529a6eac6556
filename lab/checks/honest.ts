/**
 * S8 honest: no program says what it has no evidence for. An enactor says "published" only of what was
 * published; a plan counts a target out, or in again, only on what probers saw of it a short while ago.
 * No data is "unknown", and unknown changes nothing.
 */
import type { Name } from '../../src/model/name.ts'
import type { Write } from '../../src/store/store.ts'
import type { Standing } from '../sim/authority.ts'
import {
  type Check,
  generationAt,
  json,
  linesOf,
  type PlanDocument,
  type PoolDocument,
  planKey,
  type RunScene,
  type Violation,
} from './check.ts'

/** How old evidence may be when a plan rests on it: as old as it may be when read, and the time to publish. */
const freshMs = 10_000
const [fall, rise] = [3, 2]

interface Opinion {
  readonly at: number
  readonly says: 'up' | 'down'
}

const violation = (text: string): Violation => ({ invariant: 'S8', text })

export function honest(scene: RunScene): Check {
  /** The highest generation that ever stood at a name. */
  const highest = new Map<Name, number>()
  const pools = new Map<number, PlanDocument['pools']>()
  /** `pool/target` to the latest opinion of each kind that any prober gave. */
  const opinions = new Map<string, Map<Opinion['says'], number>>()

  /** `pool/target` to the latest history of each prober, and when it was written. */
  const histories = new Map<string, Map<string, { readonly history: string; readonly at: number }>>()

  const heard = (value: Uint8Array): void => {
    const seen = json<{ pool: string; prober: string; targets: Record<string, { history: string }> }>(value)
    for (const [target, { history }] of Object.entries(seen?.targets ?? {})) {
      const key = `${seen?.pool}/${target}`
      const all = histories.get(key) ?? new Map<string, { history: string; at: number }>()
      histories.set(key, all.set(seen?.prober ?? '', { history, at: scene.now() }))
      const says = opinionOf(history)
      if (says === undefined) continue
      const known = opinions.get(key) ?? new Map<Opinion['says'], number>()
      opinions.set(key, known.set(says, scene.now()))
    }
  }

  const isFresh = (at: number | undefined): boolean => scene.now() - (at ?? Number.NEGATIVE_INFINITY) <= freshMs

  const hasEvidence = (pool: string, target: string, says: Opinion['says']): boolean => {
    const key = `${pool}/${target}`
    if (isFresh(opinions.get(key)?.get(says))) return true
    const fresh = [...(histories.get(key)?.values() ?? [])].filter(({ at }) => isFresh(at))
    return seenTogether(
      says,
      fresh.map(({ history }) => history),
    )
  }

  const judgePlan = (plan: PlanDocument, by: string): Violation | null => {
    const before = pools.get(plan.parent)
    pools.set(plan.generation, plan.pools)
    const repeats = plan.rolledBackTo !== undefined
    if (before === undefined || repeats || scene.wasHeldUp(by, freshMs) || !scene.clocksAreRight()) return null
    for (const [pool, now] of Object.entries(plan.pools)) {
      const then = before[pool]
      if (then === undefined || now.failOpenSince !== null || then.failOpenSince !== null) continue
      for (const target of Object.keys(now.targets)) {
        const turn = turnOf(then, now, target)
        if (turn !== undefined && !hasEvidence(pool, target, turn))
          return violation(
            `${by} counted ${pool}/${target} as ${turn} in plan ${plan.generation}; no prober said so in the last ${freshMs / 1000} s`,
          )
      }
    }
    return null
  }

  const judgeProgress = (value: Uint8Array, by: string): Violation | null => {
    const progress = json<{ enacted: number; blocked: { name: string }[] }>(value)
    if (progress === null) return null
    const plan = json<PlanDocument>(scene.stored(planKey(progress.enacted)))
    const blocked = new Set(progress.blocked.map(({ name }) => name))
    for (const digest of plan?.shards ?? []) {
      const shard = scene.stored(`shard/${digest}`)
      if (shard === undefined) continue
      for (const { name, since } of linesOf(shard)) {
        if (blocked.has(name) || scene.foreign.has(name) || (highest.get(name) ?? 0) >= since) continue
        return violation(
          `${by} says that plan ${progress.enacted} is published; ${name} never was under ${since}, but under ${highest.get(name) ?? 'none'}`,
        )
      }
    }
    return null
  }

  return {
    invariant: 'S8',
    onRecords(name: Name, _before: Standing, after: Standing) {
      const generation = generationAt(after)
      if (generation !== null) highest.set(name, Math.max(generation, highest.get(name) ?? 0))
      return null
    },
    onCommit(writes: readonly Write[], by: string) {
      let found: Violation | null = null
      for (const write of writes) {
        if (by === 'tamper') {
          // The states of pools went with the plans.
          if (write.key.startsWith('plan/') || write.key === 'head') pools.clear()
        } else if (write.kind !== 'put') continue
        else if (write.key.startsWith('observation/')) {
          // Only who looked has evidence.
          if (write.key.endsWith(`/${by}`)) heard(write.value)
        } else if (write.key.startsWith('progress/')) found ??= judgeProgress(write.value, by)
        else if (write.key.startsWith('plan/')) {
          const plan = json<PlanDocument>(write.value)
          if (plan !== null) found ??= judgePlan(plan, by)
        }
      }
      return found
    },
  }
}

/** What the plan says anew about a target, if it says so by its health. */
function turnOf(then: PoolDocument, now: PoolDocument, target: string): Opinion['says'] | undefined {
  const [from, to] = [then.targets[target]?.kind ?? 'new', now.targets[target]?.kind ?? 'new']
  const answered = from === 'serving' || from === 'ramping' || from === 'held'
  if (answered && to === 'removed') return 'down'
  return !answered && (to === 'serving' || to === 'ramping') ? 'up' : undefined
}

/**
 * Whether probers saw it by turns, where no one of them saw it so often in a row: of as many rounds, failures
 * for two of them in each; or passes in each, and more of these than failures.
 */
function seenTogether(says: Opinion['says'], histories: readonly string[]): boolean {
  const length = says === 'down' ? fall : rise
  for (let back = 0; back < 32; back++) {
    const rounds = histories.map((history) => history.slice(0, Math.max(0, history.length - back)).slice(-length))
    const fails = rounds.join('').replaceAll('p', '').length
    const passes = rounds.join('').length - fails
    if (says === 'down' ? fails >= 2 * fall : passes >= rise && passes > fails) return true
  }
  return false
}

function opinionOf(history: string): Opinion['says'] | undefined {
  let says: Opinion['says'] | undefined
  for (let i = 0; i < history.length; i++) {
    const run = (letter: string, length: number) =>
      history.slice(Math.max(0, i + 1 - length), i + 1) === letter.repeat(length)
    if (run('f', fall)) says = 'down'
    if (run('p', rise)) says = 'up'
  }
  return says
}

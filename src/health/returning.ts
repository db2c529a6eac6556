/**
 * Targets that answer again, or more: those that pass grow back in steps, those whose removal was a
 * mistake are back at once, those of a site move with it. Additions need no gate.
 */
import type { Removal, SiteState, TargetState } from '../model/plan.ts'
import { type Correlated, wholePool } from './correlation.ts'
import { holdUntil, isDown, isHeldDown, nextStepAt, percentAfter, steps, withDowns } from './detector.ts'
import { down } from './quorum.ts'
import { percentOfStep } from './sites.ts'
import type { Work } from './work.ts'

/** Targets go out with their site, and come back with it. */
export function moveSites(work: Work, sites: Readonly<Record<string, SiteState>>): void {
  const { now } = work.input
  for (let i = 0; i < work.states.length; i++) {
    const state = work.states[i] as TargetState
    if (state.kind === 'new' || work.drained[i] === 1) continue
    const site = sites[work.siteOf(i)]
    if (site?.kind === 'evacuated') {
      if (state.kind !== 'evacuated') work.set(i, { kind: 'evacuated', since: now, ...withDowns(state, now) })
    } else if (state.kind === 'evacuated') {
      if (site?.kind === 'returning' && work.good[i] === 1)
        work.set(i, { kind: 'ramping', since: now, percent: percentOfStep(site.step), ...withDowns(state, now) })
      else
        work.set(i, {
          kind: 'removed',
          since: now,
          reason: 'not seen passing when its site came back',
          unanswered: true,
          ...withDowns(state, now),
        })
    } else if (site?.kind === 'returning' && state.kind === 'ramping' && work.good[i] === 1) {
      const percent = percentOfStep(site.step)
      if (state.percent < percent) work.set(i, { ...state, percent })
    }
  }
}

/** What left lately from where so many now go down at once answers again, with the part that it had. */
export function undo(work: Work, correlated: readonly Correlated[], ledger: readonly Removal[]): readonly string[] {
  if (correlated.length === 0) return []
  const { pool, now } = work.input
  const undone: string[] = []
  for (const { target, site, capacity, at } of ledger) {
    const i = work.layout.index.get(target)
    const state = i === undefined ? undefined : work.states[i]
    if (i === undefined || state?.kind !== 'removed' || state.since < at || work.drained[i] === 1) continue
    if (now - at >= pool.limits.undoMs) continue
    if (!correlated.some(({ scope }) => scope === wholePool || scope === site)) continue
    const percent = Math.round((capacity / (work.layout.capacity[i] as number)) * 100)
    const kept = withDowns(state, now)
    if (percent >= 100) work.set(i, { kind: 'held', since: now, by: 'correlation', ...kept })
    else work.set(i, { kind: 'ramping', since: now, percent: Math.max(steps[0], percent), ...kept })
    undone.push(target)
  }
  return undone
}

export function failOpen(work: Work): void {
  const { now } = work.input
  for (let i = 0; i < work.states.length; i++) {
    const state = work.states[i] as TargetState
    if (work.drained[i] === 1 || work.isOrderedOut(i)) continue
    if (state.kind === 'new' && work.good[i] === 0 && work.bad[i] === 0) continue
    if (work.bad[i] === 1) {
      work.hold(i, 'fail-open')
      work.gates.set(i, { by: 'fail-open', until: null })
    } else if (state.kind !== 'serving') work.set(i, { kind: 'serving', since: now, ...withDowns(state, now) })
  }
}

/** Additions are free. They ramp, unless that would leave too much of the pool at a part of its weight. */
export function join(work: Work, sites: Readonly<Record<string, SiteState>>, atOnce: boolean): void {
  const { now, pool } = work.input
  const joining: number[] = []
  let part = 0
  let returning = 0
  let whole = 0
  for (let i = 0; i < work.states.length; i++) {
    const state = work.states[i] as TargetState
    const isGood = work.good[i] === 1
    const capacity = work.layout.capacity[i] as number
    if (state.kind !== 'new' || isGood) whole += capacity
    if (work.drained[i] === 1 || state.kind === 'evacuated' || state.kind === 'serving') continue
    if (!isGood) {
      stayOut(work, i, state)
      continue
    }
    if (isDown(state) && isHeldDown(pool, state, now)) {
      work.times.push(holdUntil(pool, state) ?? 0)
      continue
    }
    if (state.kind === 'held') {
      work.set(i, { kind: 'serving', since: now, ...withDowns(state, now) })
      continue
    }
    part += capacity
    returning++
    joining.push(i)
  }
  const many = returning > 1 && part > whole / 4
  for (const i of joining) grow(work, i, sites[work.siteOf(i)], atOnce, many)
  if (work.beginning)
    for (let i = 0; i < work.states.length; i++) if (work.bad[i] === 1 && work.drained[i] === 0) outAtFirst(work, i)
}

function stayOut(work: Work, i: number, state: TargetState): void {
  const { now } = work.input
  if (state.kind === 'drained')
    work.set(i, {
      kind: 'removed',
      since: now,
      reason: 'no longer drained, but not seen passing yet',
      unanswered: true,
      ...withDowns(state, now),
    })
  else if (state.kind === 'held' && state.by === 'drain' && !work.isSeenDown(i))
    work.set(i, { kind: 'serving', since: now, ...withDowns(state, now) })
}

function outAtFirst(work: Work, i: number): void {
  const { now } = work.input
  const isBad = work.evidence.verdicts[i] === down
  work.set(
    i,
    isBad
      ? { kind: 'removed', since: now, reason: work.evidence.text(i), unanswered: true }
      : { kind: 'new', since: now },
  )
}

/** One that returns, or is on its way back. */
function grow(work: Work, i: number, site: SiteState | undefined, atOnce: boolean, many: boolean): void {
  const { now, pool } = work.input
  const state = work.states[i] as TargetState
  const kept = withDowns(state, now)
  if (site?.kind === 'evacuated') {
    work.set(i, { kind: 'evacuated', since: now, ...kept })
    return
  }
  if (site?.kind === 'returning') {
    const percent = percentOfStep(site.step)
    if (state.kind !== 'ramping' || isDown(state)) work.set(i, { kind: 'ramping', since: now, percent, ...kept })
    return
  }
  if (state.kind !== 'ramping') {
    const whole = atOnce || many || pool.rampMs === 0
    work.set(
      i,
      whole ? { kind: 'serving', since: now, ...kept } : { kind: 'ramping', since: now, percent: steps[0], ...kept },
    )
  } else if (isDown(state)) work.set(i, { ...state, since: now, ...kept })
  const grown = work.states[i] as TargetState
  if (grown.kind !== 'ramping') return
  const percent = Math.max(grown.percent, percentAfter(now - grown.since, pool.rampMs))
  if (percent >= 100 || atOnce) work.set(i, { kind: 'serving', since: now, ...kept })
  else {
    if (percent !== grown.percent) work.set(i, { ...grown, percent })
    work.times.push(nextStepAt(grown.since, percent, pool.rampMs))
  }
}

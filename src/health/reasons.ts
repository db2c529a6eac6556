/** What a step has to say: each thing that happened, and a sentence about every target that does not simply serve. */
import type { PoolState, Reason, TargetState } from '../model/plan.ts'
import type { Belief } from './believing.ts'
import { wholePool } from './correlation.ts'
import type { Needed } from './demand.ts'
import type { Muted } from './muting.ts'
import type { SiteEvent, Sites } from './sites.ts'
import { shareOf } from './weights.ts'
import type { Gated, Work } from './work.ts'

/** A step of which everything is decided. */
export interface Settled {
  readonly work: Work
  readonly state: PoolState
  readonly sites: Sites
  readonly belief: Belief
  readonly needed: Needed
  readonly healthy: number
  readonly blind: boolean
}

export type Event =
  | { readonly kind: 'removed'; readonly target: string; readonly reason: string }
  /** Removals stop where so many go down together; `undone` answer again. An empty scope is the whole pool. */
  | {
      readonly kind: 'correlated'
      readonly scope: string
      readonly down: number
      readonly of: number
      readonly undone: readonly string[]
    }
  | { readonly kind: 'fail-open' | 'believed'; readonly healthy: number }
  | SiteEvent
  /** As long as it lasts: a prober that is not listened to, too little to be seen, a demand that cannot be. */
  | ({ readonly kind: 'muted' } & Muted)
  | { readonly kind: 'blind'; readonly fresh: number; readonly of: number }
  | { readonly kind: 'demand-ignored'; readonly text: string }

/** As long as it lasts it is said in each step again; the others happen once. */
export const isLasting = ({ kind }: Event): boolean => kind === 'muted' || kind === 'blind' || kind === 'demand-ignored'

/** One line, for logs and for whoever is paged. */
export function eventText(event: Event): string {
  switch (event.kind) {
    case 'removed':
      return `${event.target} was removed: ${event.reason}`
    case 'correlated': {
      const where = event.scope === wholePool ? 'the pool' : `site ${event.scope}`
      const undone = event.undone.length === 0 ? '' : `; answers again: ${event.undone.join(' ')}`
      return `${event.down} of ${event.of} targets of ${where} went down together: removals stop${undone}`
    }
    case 'fail-open':
      return `only ${percent(event.healthy)} of the capacity passes: the checks are not believed, everybody answers`
    case 'believed':
      return `${percent(event.healthy)} of the capacity passes: the checks are believed again`
    case 'evacuated':
      return `site ${event.site} is evacuated by ${event.by}: ${event.reason}`
    case 'returning':
      return `site ${event.site} comes back, step ${event.step} of 3`
    case 'returned':
      return `site ${event.site} is back`
    case 'site-open':
      return `site ${event.site} fails, but stays: ${event.reason}`
    case 'site-believed':
      return `the checks of site ${event.site} are believed again`
    case 'muted':
      return `prober ${event.prober} is not listened to: it sees ${percent(event.share)} fail, the median is ${percent(event.median)}`
    case 'blind':
      return `of ${event.fresh} of ${event.of} targets anything fresh is known: nobody is removed`
    case 'demand-ignored':
      return event.text
  }
}

const gateText: Readonly<Record<string, string>> = {
  'fail-open': 'the checks of this pool are not believed now',
  dwell: 'whether the checks are believed changed a moment ago',
  blind: 'too little is seen of this pool',
  evidence: 'this planner has not watched long enough',
  correlation: 'too many went down at once',
  'site-open': 'too much of its site fails to be believed',
  floor: 'without it too little capacity would answer',
  demand: 'the demand needs it',
  'pool-budget': 'as much of the pool as may leave in one window has left',
  'site-budget': 'as much of its site as may leave in one window has left',
  drain: 'an operator wants it out, but without it too little capacity would answer',
  'drain-last': 'an operator wants it out, but nobody else answers, and no instruction empties a name (S2)',
  last: 'nobody else could answer',
  rollback: 'a rollback repeats an answer that has it',
}

const reasonsMax = 1_000

export function reasonsFor(settled: Settled): readonly Reason[] {
  const { work, state, sites, belief, needed, healthy, blind } = settled
  const { input, layout, evidence, states, gates } = work
  const { pool } = input
  const reasons: Reason[] = []
  const ofPool = (text: string) => reasons.push({ subject: pool.id, text })
  if (belief.failOpenSince !== null)
    ofPool(
      `fails open: ${percent(healthy)} of its capacity passes, and the checks are believed again from ${percent(pool.limits.failOpenUntil)}`,
    )
  if (blind)
    ofPool(
      `is seen too little: of ${evidence.fresh} of ${layout.count} targets anything fresh is known; nobody is removed`,
    )
  for (const { prober, share, median } of evidence.muted)
    ofPool(`does not listen to prober ${prober}: it sees ${percent(share)} fail, the median is ${percent(median)}`)
  for (const prober of evidence.strained) ofPool(`does not listen to prober ${prober}: it mistrusts itself`)
  for (const text of needed.ignored) ofPool(`ignores a demand: ${text}`)
  for (const [site, it] of Object.entries(state.sites ?? {})) {
    const subject = `${pool.id}/site ${site}`
    if (it.kind === 'evacuated') reasons.push({ subject, text: `evacuated by ${it.by}: ${it.reason}` })
    else if (it.kind === 'returning') reasons.push({ subject, text: `comes back: step ${it.step} of 3` })
    else reasons.push({ subject, text: 'answers although it fails' })
  }
  for (const [site, why] of sites.waiting)
    reasons.push({ subject: `${pool.id}/site ${site}`, text: `is not taken out: ${why}` })
  let alone: boolean | undefined
  for (let i = 0; i < states.length && reasons.length < reasonsMax; i++) {
    const target = states[i] as TargetState
    if (target.kind === 'serving' || target.kind === 'evacuated') continue
    alone ??= states.filter((one) => shareOf(one) > 0).length <= 1
    const text = textOf(target, gates.get(i), alone, () => evidence.text(i))
    reasons.push({ subject: `${pool.id}/${layout.ids[i]}`, text })
  }
  return reasons
}

function textOf(target: TargetState, gate: Gated | undefined, alone: boolean, seen: () => string): string {
  switch (target.kind) {
    case 'held': {
      const by = target.by === 'drain' && alone ? 'drain-last' : (gate?.by ?? target.by)
      return `held: ${gateText[by] ?? by}; ${seen()}`
    }
    case 'removed': {
      const now = seen()
      return target.reason === now ? `removed: ${now}` : `removed: ${target.reason}; now ${now}`
    }
    case 'drained':
      return `drained by ${target.by}: ${target.reason}`
    case 'ramping':
      return `ramping: ${target.percent} % of its weight; ${gate === undefined ? '' : `${gateText[gate.by] ?? gate.by}; `}${seen()}`
    case 'new':
      return `new: has not passed its checks yet; ${seen()}`
    default:
      return seen()
  }
}

/** In words: why a gate holds somebody back. */
export const describeGate = (by: string): string => gateText[by] ?? by

const percent = (share: number): string => `${Math.round(share * 100)} %`

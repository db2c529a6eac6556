/**
 * P1 to P16 of health and balancing, read from the log of a simulated pool. Each is judged from weights
 * and times alone, by no code of the reducer. A log may say nothing about a property: then it holds.
 */
import type { Limits } from '../../src/model/policy.ts'
import { alarmMs, calmMs, intervalMs, type Log, type Moment, tickMs } from './balancing.ts'

export interface Property {
  readonly id: string
  readonly what: string
  /** Null, or how the log breaks it. */
  broken(log: Log): string | null
}

const hair = 1e-6

/** Capacity that a target lost since the moment before, save by an operator, or with its whole site unless that is asked for. */
function* losses(log: Log, withSites = false): Generator<{ at: number; target: number; capacity: number }> {
  let before: Moment | undefined
  for (const moment of log.moments) {
    for (let i = 0; before !== undefined && i < moment.shares.length; i++) {
      const lost = (before.shares[i] as number) - (moment.shares[i] as number)
      if (lost <= hair || moment.kinds[i] === 'drained') continue
      if (moment.kinds[i] === 'evacuated' && !withSites) continue
      yield { at: moment.at, target: i, capacity: lost * capacityOf(log, i) }
    }
    before = moment
  }
}

const capacityOf = ({ pool }: Log, i: number): number => pool.targets[i]?.capacity ?? 0
const siteOf = ({ pool }: Log, i: number): string => pool.targets[i]?.site ?? ''

/** What counts in shares at that moment. */
function membersAt(log: Log, moment: Moment, site?: string): { whole: number; left: number; short: number } {
  let whole = 0
  let left = 0
  let short = 0
  for (let i = 0; i < moment.shares.length; i++) {
    const kind = moment.kinds[i]
    if (kind === 'new' || kind === 'evacuated' || (site !== undefined && siteOf(log, i) !== site)) continue
    const share = moment.shares[i] as number
    whole += capacityOf(log, i)
    left += capacityOf(log, i) * share
    if (share < 1) short++
  }
  return { whole, left, short }
}

function overBudget(log: Log, budget: keyof Limits & ('poolBudget' | 'siteBudget'), site?: string): string | null {
  const share = log.pool.limits[budget]
  const all = [...losses(log)].filter(({ target }) => site === undefined || siteOf(log, target) === site)
  if (all.length < 2) return null
  const whole = Math.max(...log.moments.map((moment) => membersAt(log, moment, site).whole))
  let first = 0
  let sum = 0
  for (const [last, loss] of all.entries()) {
    sum += loss.capacity
    while (loss.at - (all[first]?.at ?? 0) >= log.pool.limits.windowMs) sum -= all[first++]?.capacity ?? 0
    if (last > first && sum > share * whole + hair)
      return `${site ?? 'pool'} lost ${sum} in one window before ${loss.at}`
  }
  return null
}

/** One prober alone believes its own noise; two never see the same. */
const isHeard = ({ trial }: Log): boolean => trial.probers >= 2

const equal = (a: Float64Array, b: Float64Array): boolean => a.every((share, i) => share === b[i])

/** The last moment in the calm. */
const calm = (log: Log): Moment | undefined => log.moments.findLast(({ at }) => at < calmMs)

export const properties: readonly Property[] = [
  {
    id: 'P1',
    what: 'in any window what health takes away is at most the budget of the pool and of each site',
    broken(log) {
      const sites = [...new Set(log.pool.targets.map(({ site }) => site))]
      for (const site of sites) {
        const found = overBudget(log, 'siteBudget', site)
        if (found !== null) return found
      }
      return overBudget(log, 'poolBudget')
    },
  },
  {
    id: 'P2',
    what: 'nothing leaves if less than the floor, or than demand needs, would stay',
    broken(log) {
      const at = new Set([...losses(log)].map((loss) => loss.at))
      const { floor, utilization } = log.pool.limits
      for (const moment of log.moments) {
        if (!at.has(moment.at)) continue
        const { whole, left, short } = membersAt(log, moment)
        const least = Math.min(whole, (log.demand ?? 0) / utilization)
        const enough = left >= floor * whole - hair || (short <= 1 && left >= whole / 2 - hair)
        if (!enough || left < least - hair) return `${left} of ${whole} left at ${moment.at}`
      }
      return null
    },
  },
  {
    id: 'P3',
    what: 'somebody always answers',
    broken(log) {
      const empty = log.moments.find(({ shares }) => !shares.some((share) => share > 0))
      return empty === undefined ? null : `nobody at ${empty.at}`
    },
  },
  {
    id: 'P4',
    what: 'when all checks fail together at most one budget leaves, and it is back within a tick of the gate',
    broken(log) {
      const before = calm(log)
      if (log.trial.fault !== 'all' || before === undefined || !isHeard(log)) return null
      const { left, whole } = membersAt(log, before)
      const greatest = Math.max(...log.pool.targets.map(({ capacity }) => capacity))
      const budget = Math.max(log.pool.limits.poolBudget * whole, greatest)
      let gate: number | undefined
      for (const moment of log.moments) {
        if (moment.at < calmMs || moment.at >= log.until) continue
        if (membersAt(log, moment).left < left - budget - hair) return `more than ${budget} gone at ${moment.at}`
        if (gate !== undefined && moment.at > gate && moment.at < calmMs + alarmMs && lower(before, moment))
          return `not as before at ${moment.at}, gate at ${gate}`
        if (moment.state.freezes?.[''] !== undefined || moment.state.failOpenSince !== null) gate ??= moment.at
      }
      return gate === undefined ? 'no gate closed' : null
    },
  },
  {
    id: 'P5',
    what: 'one mad prober removes nobody',
    broken(log) {
      if (log.trial.fault !== 'mad' || log.trial.probers < 3) return null
      for (const { at, target } of losses(log, true)) return `t${target} lost weight at ${at}`
      return null
    },
  },
  {
    id: 'P5b',
    what: 'while nobody sees anything no weight changes',
    broken(log) {
      if (log.trial.fault !== 'blind') return null
      // The last results are old after four intervals.
      const dark = log.moments.filter(({ at }) => at > calmMs + 5 * intervalMs && at < log.until)
      const first = dark[0]
      const other = first && dark.find(({ shares }) => !equal(shares, first.shares))
      return other === undefined ? null : `weights changed at ${other.at}`
    },
  },
  {
    id: 'P6',
    what: 'a target changes between in and out at most 18 times in 15 minutes',
    broken(log) {
      for (let i = 0; i < log.pool.targets.length; i++) {
        const times: number[] = []
        for (const [k, { at, shares }] of log.moments.entries()) {
          const before = log.moments[k - 1]
          if (before !== undefined && (shares[i] as number) > 0 !== (before.shares[i] as number) > 0) times.push(at)
        }
        const many = times.find((at, k) => at - (times[k - 18] ?? Number.NEGATIVE_INFINITY) < 900_000)
        if (many !== undefined) return `t${i} changed 19 times before ${many}`
      }
      return null
    },
  },
  {
    id: 'P7',
    what: 'one target that is really dead is out within fall rounds, a round for the quorum, and two ticks',
    broken(log) {
      const [victim] = log.victims
      if (log.trial.fault !== 'one' || victim === undefined || !isFree(log, victim)) return null
      const due = calmMs + log.pool.fall * intervalMs + intervalMs + 2 * tickMs
      const at = log.moments.find((moment) => moment.at >= due)
      return at === undefined || at.shares[victim] === 0 ? null : `t${victim} answers at ${at.at}`
    },
  },
  {
    id: 'P8',
    what: 'one that works again is whole within rise rounds, its hold and the ramp',
    broken(log) {
      const [victim] = log.victims
      if (log.trial.fault !== 'one' || victim === undefined || !isFree(log, victim)) return null
      const { rise, rampMs, holdMs } = log.pool
      const due = log.until + (rise + 1) * intervalMs + holdMs + rampMs + 3 * tickMs
      const at = log.moments.find((moment) => moment.at >= due)
      return at === undefined || at.shares[victim] === 1 ? null : `t${victim} has ${at.shares[victim]} at ${at.at}`
    },
  },
  {
    id: 'P10',
    what: 'what is pushed is as long in crisis as in calm',
    broken(log) {
      const other = log.moments.find(({ vector }) => vector !== log.pool.targets.length)
      return other === undefined ? null : `${other.vector} weights at ${other.at}`
    },
  },
  {
    id: 'P11',
    what: 'a site that fails takes nothing from the others',
    broken(log) {
      if (log.trial.fault !== 'site' || !isHeard(log)) return null
      for (const { at, target } of losses(log, true))
        if (!log.victims.has(target)) return `t${target} lost weight at ${at}`
      return null
    },
  },
  {
    id: 'P12',
    what: 'the same, given again, gives the same',
    broken: (log) => log.differed,
  },
  {
    id: 'P13',
    what: 'whether checks are believed changes at most once in its dwell',
    broken(log) {
      let last: number | undefined
      for (const [k, { at, state }] of log.moments.entries()) {
        const before = log.moments[k - 1]
        if (before === undefined || (state.failOpenSince === null) === (before.state.failOpenSince === null)) continue
        if (last !== undefined && at - last < log.pool.limits.failOpenDwellMs) return `at ${last} and ${at}`
        last = at
      }
      return null
    },
  },
  {
    id: 'P14',
    what: 'after a false alarm of all checks nobody has less than before',
    broken(log) {
      const before = calm(log)
      if (log.trial.fault !== 'all' || before === undefined || !isHeard(log)) return null
      const over = calmMs + alarmMs
      // One that was on its way back may have more.
      const later = log.moments.find((moment) => moment.at > over + tickMs && lower(before, moment))
      return later === undefined ? null : `less at ${later.at}`
    },
  },
  {
    id: 'P15',
    what: 'what an operator drained stays out, also while the checks are not believed',
    broken(log) {
      for (const i of log.drains) {
        const out = log.moments.findIndex(({ shares }) => shares[i] === 0)
        if (out < 0) continue
        const back = log.moments.slice(out).find(({ shares }) => (shares[i] as number) > 0)
        if (back !== undefined) return `t${i} answers at ${back.at}`
      }
      return null
    },
  },
  {
    id: 'P16',
    what: 'after a restart nobody leaves before a full window of evidence',
    broken(log) {
      const { restartAt } = log.trial
      if (restartAt === null) return null
      const from = restartAt * 1_000
      const until = from + log.pool.fall * intervalMs
      for (const { at, target } of losses(log, true)) if (at >= from && at < until) return `t${target} left at ${at}`
      return null
    },
  },
]

/** Some target has less than it had. */
const lower = (before: Moment, after: Moment): boolean =>
  before.shares.some((share, i) => (after.shares[i] as number) < share - hair)

/** Nothing else keeps that target from leaving. */
function isFree(log: Log, victim: number): boolean {
  const before = calm(log)
  if (before === undefined || !isHeard(log) || log.drains.size > 0 || log.trial.restartAt !== null) return false
  const { whole, left } = membersAt(log, before)
  const rest = left - capacityOf(log, victim)
  return rest >= whole / 2 && rest >= (log.demand ?? 0) / log.pool.limits.utilization
}

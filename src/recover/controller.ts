/**
 * How many operations at once: a controller that seeks the knee of the throughput curve.
 *
 * Throughput X(n) rises with the operations in flight n up to the knee, and falls beyond it. Latency does
 * not tell where the knee is, and errors tell too late; throughput itself does. So: climb while it pays
 * (`start`), then step up and down around the best and keep what pays (`cruise`).
 *
 * `decide` is one step, at the end of each window. The first rule that has something to say is used;
 * the bounds at the end always apply.
 */
import type { Hint } from './hint.ts'
import type { Parameters } from './parameters.ts'
import { isStalled, type Sofar, succeeded, throughput, type Window } from './window.ts'

export interface Seeking {
  readonly mode: 'start' | 'cruise'
  /** Operations allowed in flight, whole part; what is being tried. */
  readonly limit: number
  /** The best that is known; `limit` goes back to it after a try. */
  readonly base: number
  /** start: the highest throughput so far, the limit that had it, and windows since. */
  readonly best: number
  readonly bestLimit: number
  readonly flat: number
  /** cruise: what is measured in the window that is open. */
  readonly phase: 'settling' | 'base' | 'up' | 'base again' | 'down'
  /** cruise: throughput at `base`, to compare a try with. */
  readonly reference: number
  /** cruise: what the step up brought, and how large it was, both in logarithms; 0 if there was none. */
  readonly gain: number
  readonly span: number
  /** cruise: windows for which nothing higher is tried. */
  readonly hold: number
  /** start: what was good in better times, until the first window has shown what that means now. */
  readonly hint: Hint | undefined
  /** start: where the knee should be by that; Infinity if nobody knows. */
  readonly expected: number
  /** How much longer each operation is under way than in better times, though nobody stands in its way, in ms. */
  readonly detourMs: number
  /** cruise: so many of `base` are only on that way, by Little's law; steps change the others. */
  readonly away: number
}

type Rule = (seeking: Seeking, window: Window, parameters: Parameters) => Seeking | undefined

const rules: readonly Rule[] = [stall, errors, applicationLimited, start, settle, cruise]

export const allowed = (seeking: Seeking): number => Math.floor(seeking.limit)

/**
 * Whether the window has shown enough for a decision. A climb does not wait for all its samples where twice as
 * many bring clearly more: with few at once on a slow dependency that would be most of the time it takes.
 */
export function mayClose(sofar: Sofar, seeking: Seeking, { window }: Parameters): boolean {
  const { elapsedMs, ended } = sofar
  const { leastMs, mostMs, startSamples, cruiseSamples, turns } = window
  if (elapsedMs < leastMs) return false
  if (elapsedMs >= mostMs) return true
  if (seeking.mode === 'cruise') return ended >= cruiseSamples
  return ended >= startSamples || isClear(sofar, seeking, window, seeking.best === 0 ? 1 : turns)
}

/**
 * The same for a window that began when a climb raised the limit: what ended in it was begun under the lower limit at
 * first, so it shows less than there is, never more, and one turn is enough.
 */
export const mayLeap = (sofar: Sofar, seeking: Seeking, { window }: Parameters): boolean =>
  seeking.mode === 'start' &&
  seeking.best > 0 &&
  sofar.elapsedMs >= window.leastMs &&
  isClear(sofar, seeking, window, 1)

const isClear = (
  { elapsedMs, ended, units }: Sofar,
  { limit, best }: Seeking,
  { clearGain }: Parameters['window'],
  turns: number,
): boolean => ended >= Math.max(fewest, turns * limit) && 1000 * units > clearGain * best * elapsedMs

/** Fewer say nothing, however few are allowed at once. */
const fewest = 16

export function startFrom(limit: number, { limitMax }: Parameters, hint?: Hint): Seeking {
  const first = Math.min(limitMax, Math.max(1, limit))
  return {
    mode: 'start',
    limit: first,
    base: first,
    best: 0,
    bestLimit: first,
    flat: 0,
    phase: 'base',
    reference: 0,
    gain: 0,
    span: 0,
    hold: 0,
    hint,
    expected: Number.POSITIVE_INFINITY,
    detourMs: 0,
    away: 0,
  }
}

export function decide(seeking: Seeking, window: Window, parameters: Parameters): Seeking {
  for (const rule of rules) {
    const decided = rule(seeking, window, parameters)
    if (decided !== undefined) return bounded(deadlineClamp(decided, window, parameters), parameters)
  }
  return bounded(deadlineClamp(seeking, window, parameters), parameters)
}

/** Nothing came back, though something was asked: half of it, and the climb begins anew. */
export function stall(seeking: Seeking, window: Window, parameters: Parameters): Seeking | undefined {
  if (!isStalled(window, parameters)) return undefined
  return startFrom(seeking.base / 2, parameters, seeking.hint)
}

/** Too many failures: less at once, and nothing higher for five windows. */
export function errors(seeking: Seeking, window: Window, { errorShare }: Parameters): Seeking | undefined {
  if (window.failed <= errorShare * window.ended) return undefined
  const base = Math.max(1, 0.7 * seeking.limit)
  return { ...cruiseFrom(seeking, base), reference: throughput(window), hold: 5 }
}

/** The limit was not what limited: the window says nothing about it. */
export function applicationLimited(seeking: Seeking, window: Window): Seeking | undefined {
  return isSaturated(window) && window.ended > 0 ? undefined : seeking
}

export const isSaturated = (window: Window): boolean => window.saturation >= 0.8

/**
 * Twice as many each time, while each time brings a tenth more; four times as many while throughput grows as
 * fast as the limit does, since then nobody waits for anybody yet. It ends where the knee should be by what was
 * good in better times: what is too much costs most where every place has to be made first, such as a connection.
 */
export function start(seeking: Seeking, window: Window, parameters: Parameters): Seeking | undefined {
  if (seeking.mode !== 'start') return undefined
  const { best, bestLimit, limit } = seeking
  const x = throughput(window)
  const isFirst = best === 0
  if (!isFirst && limit >= seeking.expected) return { ...cruiseFrom(seeking, limit), phase: 'settling' }
  if (x > 1.1 * best) {
    const isTold = isFirst && seeking.hint !== undefined
    const detourMs = isTold ? detourOf(seeking.hint, window) : seeking.detourMs
    const expected = isTold ? kneeNow(seeking.hint, detourMs) : seeking.expected
    const isLinear = !isFirst && x >= linear * (limit / bestLimit) * best
    const isFar = isLinear || (isFirst && Number.isFinite(expected))
    const next = (isFar ? 4 : 2) * limit
    const to = expected > limit ? Math.min(next, expected) : next
    return climb({ ...seeking, expected, detourMs }, x * sureOf(window, parameters), limit, to)
  }
  const flat = seeking.flat + 1
  if (flat < 2) return { ...seeking, flat }
  // If more did hardly worse, the knee is between the two.
  return cruiseFrom(seeking, bestLimit * (x > 0.95 * best ? Math.SQRT2 : 1))
}

const linear = 0.95

const cruiseFrom = (seeking: Seeking, base: number): Seeking => ({
  ...seeking,
  mode: 'cruise',
  phase: 'base',
  reference: 0,
  limit: base,
  base,
  flat: 0,
  // From here on it is found out: a climb that begins again has shown that the knee lies elsewhere.
  expected: Number.POSITIVE_INFINITY,
})

const detourOf = ({ aloneMs = Number.POSITIVE_INFINITY }: Hint, { meanLatencyMs }: Window): number =>
  Math.max(0, meanLatencyMs - aloneMs)

/** By Little's law each second of detour needs as many more at once as end in a second. */
const kneeNow = ({ limit, throughput: usual, aloneMs }: Hint, detourMs: number): number =>
  aloneMs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(limit + (usual * detourMs) / 1000)

/** A short window may have been a lucky one; what has to beat it must not despair of that. */
const sureOf = ({ ended }: Window, { window }: Parameters): number =>
  1 - Math.max(0, 1 / Math.sqrt(ended) - 1 / Math.sqrt(window.startSamples))

/** On from a limit that had this throughput. */
function climb(seeking: Seeking, best: number, bestLimit: number, limit = 2 * bestLimit): Seeking {
  return { ...seeking, mode: 'start', best, bestLimit, flat: 0, limit, base: limit }
}

/** Of the best that a climb saw: where it was told to end is too far. */
const clearlyWorse = 0.8
/** So much more than a moment ago, at the same limit, is no noise where a climb has just ended. */
const settled = 1.1

/**
 * Where a climb was told to end: what it woke up, such as connections used for the first time, gets faster by itself
 * for a while. Only then is it known whether to go on from there.
 */
export function settle(seeking: Seeking, window: Window): Seeking | undefined {
  if (seeking.phase !== 'settling') return undefined
  const { reference, best, bestLimit } = seeking
  const x = throughput(window)
  if (x > settled * reference) return { ...seeking, reference: x }
  return x <= clearlyWorse * best ? cruiseFrom(seeking, bestLimit) : undefined
}

/** Of a step up or down. Smaller ones drown in noise, larger ones cost throughput while they are tried. */
const step = 1.4
/** What one more percent of operations must bring, in percent of throughput, for the base to stay where it is. */
const worthwhile = 0.03
/** The same, if it brings so much that the knee must be far away: to cruise there would take too long. */
const farAway = 0.5
/** So much more at the same limit is no noise: capacity came back. */
const cameBack = 1.5
/** The base moves by a quarter at most, whatever a single cycle says. */
const moveMost = Math.log(1.25)
/** However many are believed to be only on their way: steps change at least this share of the base. */
const stepLeast = 0.25

/**
 * A step up and a step down, each beside a window at the base: four windows tell the elasticity of
 * throughput, d ln X / d ln n, which is 1 far below the knee, 0 at it, and negative beyond. The base moves
 * in proportion to it. A step each way takes out what changes by itself meanwhile, such as a cache that
 * warms up; a move in proportion lets the noise of many cycles cancel out. What changes at once, such as a
 * dependency that has its capacity back after a bad time, ends the cycle, and any hold.
 *
 * Where operations take a detour, most of them are on it, and the dependency has few of them at once. A step of
 * all would be many times what it is for the dependency, so only the others change.
 */
export function cruise(seeking: Seeking, window: Window): Seeking {
  const x = throughput(window)
  const { base, limit, reference, away } = seeking
  const hold = Math.max(0, seeking.hold - 1)
  const isAtBase = seeking.phase === 'base' || seeking.phase === 'base again'
  if (isAtBase && reference > 0 && x > cameBack * reference) return climb({ ...seeking, hold: 0 }, x, base)
  switch (seeking.phase) {
    case 'settling':
    case 'base': {
      // Four tenths of one are nothing to the whole part: at least one more.
      const away = Math.min((1 - stepLeast) * base, (x * seeking.detourMs) / 1000)
      const up = seeking.hold > 0 ? base : Math.max(base + 1, scaled(base, away, step))
      return { ...seeking, phase: 'up', reference: x, away, limit: up, hold }
    }
    case 'up': {
      const span = reference > 0 && x > 0 ? between(base, limit, away) : 0
      const gain = span > 0 ? Math.log(x / reference) : 0
      if (gain > farAway * span) return climb({ ...seeking, hold }, x, limit)
      return { ...seeking, phase: 'base again', gain, span, limit: base, hold }
    }
    case 'base again':
      return { ...seeking, phase: 'down', reference: x, limit: Math.max(1, scaled(base, away, 1 / step)), hold }
    case 'down': {
      const spanDown = reference > 0 && x > 0 ? between(limit, base, away) : 0
      const gain = seeking.gain + (spanDown > 0 ? Math.log(reference / x) : 0)
      const span = seeking.span + spanDown
      const hasTriedUp = seeking.span > 0
      if (hasTriedUp && gain > farAway * span) return climb({ ...seeking, hold }, Math.max(x, reference), base)
      const wanted = span > 0 ? gain / span - worthwhile : 0
      // Without a step up there is no evidence for more.
      const move = Math.max(-moveMost, Math.min(hasTriedUp ? moveMost : 0, wanted))
      const moved = Math.max(1, scaled(base, away, Math.exp(move)))
      return { ...seeking, phase: 'base', base: moved, limit: moved, hold }
    }
  }
}

const scaled = (base: number, away: number, times: number): number => away + times * (base - away)

/** In logarithms, of the whole parts: what is really tried. */
const between = (lower: number, upper: number, away: number): number =>
  Math.log((Math.floor(upper) - away) / (Math.floor(lower) - away))

/**
 * By Little's law an operation takes limit / throughput: no more at once than what half of its time-out
 * allows, so that what is started can finish. A window in which there was little to do shows little
 * throughput, and says nothing about what could be done.
 */
export function deadlineClamp(seeking: Seeking, window: Window, { operationTimeoutMs }: Parameters): Seeking {
  if (!isSaturated(window)) return seeking
  const most = (succeeded(window) * operationTimeoutMs) / 2000
  if (seeking.limit <= most && seeking.base <= most) return seeking
  return { ...seeking, limit: Math.min(seeking.limit, most), base: Math.min(seeking.base, most) }
}

function bounded(seeking: Seeking, { limitMax }: Parameters): Seeking {
  const limit = Math.min(limitMax, Math.max(1, seeking.limit))
  const base = Math.min(limitMax, Math.max(1, seeking.base))
  return limit === seeking.limit && base === seeking.base ? seeking : { ...seeking, limit, base }
}

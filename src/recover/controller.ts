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
import type { Parameters } from './parameters.ts'
import { succeeded, throughput, type Window } from './window.ts'

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
  readonly phase: 'base' | 'up' | 'base again' | 'down'
  /** cruise: throughput at `base`, to compare a try with. */
  readonly reference: number
  /** cruise: windows for which nothing higher is tried. */
  readonly hold: number
}

type Rule = (seeking: Seeking, window: Window, parameters: Parameters) => Seeking | undefined

const rules: readonly Rule[] = [stall, errors, applicationLimited, start, cruise]

export const allowed = (seeking: Seeking): number => Math.floor(seeking.limit)

export function startFrom(limit: number, { limitMax }: Parameters): Seeking {
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
    hold: 0,
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
  if (window.ended > 0 || window.inFlight === 0) return undefined
  return startFrom(seeking.base / 2, parameters)
}

/** Too many failures: less at once, and nothing higher for five windows. */
export function errors(seeking: Seeking, window: Window, { errorShare }: Parameters): Seeking | undefined {
  if (window.failed <= errorShare * window.ended) return undefined
  const base = Math.max(1, 0.7 * seeking.limit)
  return { ...seeking, mode: 'cruise', phase: 'base', base, limit: base, hold: 5 }
}

/** The limit was not what limited: the window says nothing about it. */
export function applicationLimited(seeking: Seeking, window: Window): Seeking | undefined {
  return window.saturation < 0.8 ? seeking : undefined
}

/** Twice as many each time, while each time brings a fifth more. */
export function start(seeking: Seeking, window: Window): Seeking | undefined {
  if (seeking.mode !== 'start') return undefined
  const x = throughput(window)
  if (x > 1.2 * seeking.best) {
    const limit = 2 * seeking.limit
    return { ...seeking, best: x, bestLimit: seeking.limit, flat: 0, limit, base: limit }
  }
  const flat = seeking.flat + 1
  if (flat < 2) return { ...seeking, flat }
  return { ...seeking, mode: 'cruise', phase: 'base', limit: seeking.bestLimit, base: seeking.bestLimit, flat: 0 }
}

/** A step up and a step down, each beside a window at the base, for as long as the work lasts. */
export function cruise(seeking: Seeking, window: Window): Seeking {
  const x = throughput(window)
  const noise = noiseOf(window)
  const { base, reference } = seeking
  const hold = Math.max(0, seeking.hold - 1)
  switch (seeking.phase) {
    case 'base': {
      // A quarter of one is nothing to the whole part: at least one more.
      const limit = seeking.hold > 0 ? base : Math.max(base + 1, 1.25 * base)
      return { ...seeking, phase: 'up', reference: x, limit, hold }
    }
    case 'up': {
      const tried = seeking.limit
      if (tried <= base || x <= reference * (1 + noise)) {
        return { ...seeking, phase: 'base again', limit: base, hold }
      }
      // So much more by so small a step: the knee is far away, as after a hang. Cruising there takes too long.
      if (x > 1.15 * reference) {
        return { ...seeking, mode: 'start', best: x, bestLimit: tried, flat: 0, base: tried, limit: 2 * tried, hold }
      }
      return { ...seeking, phase: 'base', base: tried, limit: tried, hold }
    }
    case 'base again':
      return { ...seeking, phase: 'down', reference: x, limit: Math.max(1, 0.8 * base), hold }
    case 'down': {
      const lower = x >= reference * (1 - noise / 2) ? Math.max(1, 0.9 * base) : base
      return { ...seeking, phase: 'base', base: lower, limit: lower, hold }
    }
  }
}

/** What two windows may differ by without meaning it. */
const noiseOf = (window: Window): number => Math.max(0.03, 1.5 / Math.sqrt(window.ended))

/**
 * By Little's law an operation takes limit / throughput: no more at once than what half of its time-out
 * allows, so that what is started can finish.
 */
export function deadlineClamp(seeking: Seeking, window: Window, { operationTimeoutMs }: Parameters): Seeking {
  const most = Math.max(1, (succeeded(window) * operationTimeoutMs) / 2000)
  if (seeking.limit <= most && seeking.base <= most) return seeking
  return { ...seeking, limit: Math.min(seeking.limit, most), base: Math.min(seeking.base, most) }
}

function bounded(seeking: Seeking, { limitMax }: Parameters): Seeking {
  const limit = Math.min(limitMax, Math.max(1, seeking.limit))
  const base = Math.min(limitMax, Math.max(1, seeking.base))
  return limit === seeking.limit && base === seeking.base ? seeking : { ...seeking, limit, base }
}

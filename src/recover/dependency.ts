/**
 * What is known of the dependency. Down: nothing but one probe at a time. Recovering: it answers, and who
 * waited for it is not served yet. Degraded: it answers badly. While it is not up, no lease expires.
 */
import type { Parameters } from './parameters.ts'
import { isStalled, type Window } from './window.ts'

export interface Dependency {
  readonly state: 'up' | 'degraded' | 'down' | 'recovering'
  /** Windows in a row in which nothing succeeded, though something was asked. */
  readonly stalls: number
  /** Windows in a row without too many failures. */
  readonly clean: number
  /** Down: when to probe, and the wait that the next failure may at most cause. */
  readonly probeAt: number
  readonly probeWaitMs: number
}

/** Nobody knows yet; the first success says more. */
export const unproven = ({ probe }: Parameters): Dependency => ({
  state: 'recovering',
  stalls: 0,
  clean: 0,
  probeAt: 0,
  probeWaitMs: probe.firstMs,
})

/** `chance`: 0 <= chance < 1. */
export function afterWindow(
  before: Dependency,
  window: Window,
  parameters: Parameters,
  chance: number,
  now: number,
): Dependency {
  if (before.state === 'down') return before
  const isIdle = window.ended === 0 && !isStalled(window, parameters)
  if (isIdle) return before
  if (window.ended === window.failed) {
    const stalls = before.stalls + 1
    if (stalls >= parameters.stallsToDown) return down(parameters, chance, now)
    return { ...before, state: before.state === 'up' ? 'degraded' : before.state, stalls, clean: 0 }
  }
  if (window.failed > parameters.errorShare * window.ended)
    return { ...before, state: before.state === 'up' ? 'degraded' : before.state, stalls: 0, clean: 0 }
  const clean = before.clean + 1
  const isUpAgain = before.state === 'degraded' && clean >= parameters.cleanToUp
  return { ...before, state: isUpAgain ? 'up' : before.state, stalls: 0, clean }
}

/**
 * A dependency that refuses does so in no time: by the end of a window everybody would have been tried in
 * vain. `inARow`: failures since the last success. One connection that breaks takes as many with it as are
 * in flight; twice as many is no accident.
 */
export function afterFailure(
  before: Dependency,
  inARow: number,
  limit: number,
  parameters: Parameters,
  chance: number,
  now: number,
): Dependency {
  const isDown = before.state !== 'down' && inARow >= Math.max(parameters.failuresToDown, 2 * limit)
  return isDown ? down(parameters, chance, now) : before
}

function down({ probe }: Parameters, chance: number, now: number): Dependency {
  return { state: 'down', stalls: 0, clean: 0, probeAt: now + chance * probe.firstMs, probeWaitMs: probe.firstMs }
}

/** Full jitter, twice as long each time. */
export function probeFailed(before: Dependency, { probe }: Parameters, chance: number, now: number): Dependency {
  const probeWaitMs = Math.min(probe.mostMs, 2 * before.probeWaitMs)
  return { ...before, probeAt: now + chance * probeWaitMs, probeWaitMs }
}

export const probeSucceeded = (before: Dependency, parameters: Parameters): Dependency => ({
  ...unproven(parameters),
  probeAt: before.probeAt,
})

/** Nobody waits any more, and the last window was clean: it is over. */
export const drained = (before: Dependency): Dependency =>
  before.state === 'recovering' && before.clean > 0 ? { ...before, state: 'up', clean: 0 } : before

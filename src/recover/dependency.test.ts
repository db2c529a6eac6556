import { describe, expect, test } from 'vitest'
import {
  afterFailure,
  afterWindow,
  type Dependency,
  drained,
  probeFailed,
  probeSucceeded,
  unproven,
} from './dependency.ts'
import { defaults } from './parameters.ts'
import type { Window } from './window.ts'

const good: Window = {
  seconds: 1,
  ended: 100,
  failed: 0,
  units: 100,
  strictUnits: 0,
  saturation: 1,
  silentSeconds: 0,
  meanLatencyMs: 10,
}
const silent: Window = { ...good, ended: 0, units: 0, silentSeconds: 2 }
const failing: Window = { ...good, failed: 100, units: 0 }
const quiet: Window = { ...good, ended: 0, units: 0, saturation: 0 }
const seen = (from: Dependency, ...windows: readonly Window[]) =>
  windows.reduce((state, window) => afterWindow(state, window, defaults, 0.5, 1000), from)
const up: Dependency = { ...unproven(defaults), state: 'up' }

describe('a dependency', () => {
  test('is down after three windows without any success, silent or failing', () => {
    expect(seen(up, silent, failing).state).toBe('degraded')
    expect(seen(up, silent, failing, silent)).toMatchObject({ state: 'down', probeAt: 1100 })
  })

  test('is not down because nothing was asked', () => {
    expect(seen(up, quiet, quiet, quiet, quiet)).toEqual(up)
    expect(seen(up, silent, quiet, silent, quiet, good, silent).state).toBe('degraded')
  })

  test('is down at once when it refuses everything, and not because one connection broke', () => {
    expect(afterFailure(up, 64, 64, defaults, 0.5, 1000)).toBe(up)
    expect(afterFailure(up, 128, 64, defaults, 0.5, 1000)).toMatchObject({ state: 'down', probeAt: 1100 })
    expect(afterFailure(up, 19, 1, defaults, 0.5, 1000)).toBe(up)
    expect(afterFailure(up, 20, 1, defaults, 0.5, 1000).state).toBe('down')
  })

  test('is degraded while too much fails, and up again after five clean windows', () => {
    const degraded = seen(up, { ...good, failed: 10 })
    expect(degraded.state).toBe('degraded')
    expect(seen(degraded, good, good, good, good).state).toBe('degraded')
    expect(seen(degraded, good, good, good, good, good).state).toBe('up')
  })

  test('is recovering from its first answer until nobody waits any more', () => {
    const down = seen(up, silent, silent, silent)
    const back = probeSucceeded(down, defaults)
    expect(back.state).toBe('recovering')
    expect(drained(back).state).toBe('recovering')
    expect(drained(seen(back, good)).state).toBe('up')
    expect(seen(back, good, good, good, good, good, good).state).toBe('recovering')
  })

  test('is probed at growing distances, at most 2 s, with full jitter', () => {
    let down = seen(up, silent, silent, silent)
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      down = probeFailed(down, defaults, 0.999, 0)
      waits.push(Math.round(down.probeAt))
    }
    expect(waits).toEqual([400, 799, 1598, 1998, 1998, 1998, 1998, 1998])
    expect(probeFailed(down, defaults, 0, 7).probeAt).toBe(7)
  })
})

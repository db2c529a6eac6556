/**
 * L4 static stability: who has lost the store changes nothing. What a name answered then it goes on
 * answering; frozen is better than wrong.
 */
import type { Check, RunScene } from './check.ts'

/** A write may be on its way when the store goes, and its condition may have been asked just before. */
const underWayMs = 5_000

export function staticStability(scene: RunScene): Check {
  return {
    invariant: 'L4',
    onRecords(name, _before, _after, by, sent = scene.now()) {
      if (by === 'hand' || scene.wasHeldUp(by, underWayMs)) return null
      const cutOff = Math.round(scene.cutOffMs(by) - (scene.now() - sent))
      return cutOff > underWayMs
        ? { invariant: 'L4', text: `${by} changed ${name}, having lost the store ${cutOff} ms before` }
        : null
    },
  }
}

/**
 * Whose turn it is among the classes that share: deficit round robin (Shreedhar and Varghese, 1995) over
 * operations. Work-conserving: a class that has nothing waiting gives its turn away, and saves nothing up.
 */
import { classCount, classRules, renewal } from './classes.ts'

export class FairShare {
  readonly #deficit = new Int32Array(classCount)
  #turn = renewal + 1

  /** `waiting`: items by class. Returns the class that starts one now, or -1 if no sharing class waits. */
  pick(waiting: ArrayLike<number>): number {
    let isIdle = true
    for (let klass = renewal + 1; klass < classCount; klass++) if ((waiting[klass] as number) > 0) isIdle = false
    if (isIdle) return -1
    for (;;) {
      const klass = this.#turn
      if ((waiting[klass] as number) > 0 && (this.#deficit[klass] as number) > 0) {
        this.#deficit[klass] = (this.#deficit[klass] as number) - 1
        return klass
      }
      const next = klass + 1 < classCount ? klass + 1 : renewal + 1
      this.#turn = next
      // Anew, not on top: nothing is saved up.
      this.#deficit[next] = classRules[next]?.quantum as number
    }
  }
}

/** How many operations of sharing classes start for one of `klass`, at most, when those in `waiting` wait. */
export function turnsFor(klass: number, waiting: ArrayLike<number>): number {
  let all = 0
  for (let other = renewal + 1; other < classCount; other++)
    if (other === klass || (waiting[other] as number) > 0) all += classRules[other]?.quantum as number
  return all / (classRules[klass]?.quantum as number)
}

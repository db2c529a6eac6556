/** One step of one pool while it is worked out: arrays in the order of the pool, changed in place. */
import type { TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { isDown, withDowns } from './detector.ts'
import type { Evidence } from './evidence.ts'
import type { Layout } from './layout.ts'
import { down, up } from './quorum.ts'
import type { Event } from './reasons.ts'
import type { StepInput } from './step.ts'
import { Answering } from './velocity.ts'
import { shareOf } from './weights.ts'

/** Why a target that should go has not gone, and until when; null: nobody knows. */
export interface Gated {
  readonly by: string
  readonly until: EpochMs | null
}

/** Gates that open by themselves soon: that one of them holds a target, too, is no news. */
const passing = new Set(['blind', 'evidence', 'dwell'])

export class Work {
  readonly input: StepInput
  readonly layout: Layout
  readonly evidence: Evidence
  readonly states: TargetState[]
  /** As the last plan left them. */
  readonly before: readonly TargetState[]
  /** The pool answers for the first time. */
  readonly beginning: boolean
  /** 1 for those that pass, and for those that fail or were out and have not been seen passing since. */
  readonly good: Uint8Array
  readonly bad: Uint8Array
  /** 1 for those that an operator wants out. */
  readonly drained: Uint8Array
  readonly gates = new Map<number, Gated>()
  readonly events: Event[] = []
  /** When something changes without news. */
  readonly times: number[] = []

  constructor(input: StepInput, layout: Layout, evidence: Evidence, states: TargetState[], beginning: boolean) {
    this.input = input
    this.layout = layout
    this.evidence = evidence
    this.states = states
    this.before = [...states]
    this.beginning = beginning
    this.good = new Uint8Array(layout.count)
    this.bad = new Uint8Array(layout.count)
    this.drained = new Uint8Array(layout.count)
    for (const id of input.drains.keys()) {
      const i = layout.index.get(id)
      if (i !== undefined) this.drained[i] = 1
    }
  }

  set(i: number, state: TargetState): void {
    this.states[i] = state
  }

  siteOf(i: number): string {
    return this.layout.sites[this.layout.siteOf[i] as number] as string
  }

  isOrderedOut(i: number): boolean {
    return this.input.evacuations.has(this.siteOf(i)) && this.states[i]?.kind === 'evacuated'
  }

  classify(): void {
    const { verdicts, pending } = this.evidence
    for (let i = 0; i < this.states.length; i++) {
      const state = this.states[i] as TargetState
      const verdict = verdicts[i]
      if (verdict === up) this.good[i] = 1
      else if (this.beginning ? pending[i] === 0 : state.kind !== 'new' && (this.isSeenDown(i) || wasOut(state)))
        this.bad[i] = 1
    }
  }

  /**
   * Seen down now, or still. Rounds of several probers shift against each other, so one that answers is
   * not down on rounds that it has left behind.
   */
  isSeenDown(i: number): boolean {
    if (this.evidence.verdicts[i] !== down) return false
    return (this.evidence.badRuns[i] as number) >= this.input.pool.fall || isDown(this.states[i] as TargetState)
  }

  /** 1 for targets that are part of shares: not those that never passed, and not those whose site is out. */
  counting(): Uint8Array {
    const counts = new Uint8Array(this.layout.count)
    for (let i = 0; i < counts.length; i++) {
      const { kind } = this.states[i] as TargetState
      if (kind !== 'evacuated' && (kind !== 'new' || this.good[i] === 1 || this.bad[i] === 1)) counts[i] = 1
    }
    return counts
  }

  /** The share of the capacity that nobody drained, and that is not seen failing. */
  healthy(): number {
    let whole = 0
    let failing = 0
    for (let i = 0; i < this.states.length; i++) {
      const { kind } = this.states[i] as TargetState
      if (this.drained[i] === 1 || kind === 'evacuated') continue
      if (kind === 'new' && this.good[i] === 0 && this.bad[i] === 0) continue
      const capacity = this.layout.capacity[i] as number
      whole += capacity
      if (this.bad[i] === 1) failing += capacity
    }
    return 1 - failing / Math.max(whole, Number.MIN_VALUE)
  }

  answering(): Answering {
    const shares = new Float64Array(this.layout.count)
    const counts = new Uint8Array(this.layout.count)
    for (let i = 0; i < counts.length; i++) {
      const state = this.states[i] as TargetState
      shares[i] = shareOf(state)
      if (state.kind !== 'new' && state.kind !== 'evacuated') counts[i] = 1
    }
    return new Answering(this.layout, counts, shares)
  }

  hold(i: number, by: string): void {
    const { now } = this.input
    const state = this.states[i] as TargetState
    if (state.kind === 'held' && (state.by === by || (state.by !== '' && passing.has(by)))) return
    const since = state.kind === 'held' ? state.since : now
    this.set(i, { kind: 'held', since, by, ...withDowns(state, now) })
  }
}

/** Targets that were judged bad and have not been judged otherwise since. */
const wasOut = (state: TargetState): boolean =>
  state.kind === 'removed' || state.kind === 'drained' || (state.kind === 'held' && state.by !== 'drain')

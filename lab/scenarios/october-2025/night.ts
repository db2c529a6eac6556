/** What a run of that night shows, whichever protocol ran; and its diagram. */
import { type Diagram, drawDiagram, type Lane } from '../../diagram.ts'
import type { Chronicle } from '../chronicle.ts'
import type { Answer, Customers } from './customers.ts'
import { endMs, hero, lastOfStorm, starved, tellUntilMs, zone } from './schedule.ts'

export interface EnactorFacts {
  readonly id: string
  /** Times that it published something at the name in the last hour, and times that it was refused. */
  readonly published: number
  readonly refused: number
}

export interface Night {
  readonly protocol: 'classic' | 'holdfast'
  readonly hash: string
  readonly events: number
  readonly newestPlan: number
  readonly answer: Answer
  /** Since when the name has answered NOERROR and no address, to the end of the run. */
  readonly emptySinceMs: number | null
  /** Times that an older plan replaced a newer one at the name. */
  readonly backward: number
  /** Late writes of an older plan that were turned down before anything changed. */
  readonly heldBack: number
  readonly enactors: readonly EnactorFacts[]
  readonly customers: Customers
}

export interface TellOptions {
  readonly seed: number
  readonly tell: (line: string) => void
}

export const name = `${hero}.${zone}`
/** Lanes that are no process. */
export const answerLane = 'answer'
export const customerLane = 'customers'
/** Late enough for all that happened; from here to the end nothing changes. */
const shownMs = 42_000

/** Near enough to what the diagram shows, at its beginning and at its end. */
export const isNear = (at: number): boolean => at < tellUntilMs || at > endMs - 120_000

export function diagramOf(night: Night, chronicle: Chronicle, description: string): string {
  const lanes: readonly Lane[] = [
    { id: 'planner', label: 'planner', kind: 'process' },
    { id: 'enactor-1', label: 'enactor-1', kind: 'process' },
    { id: starved, label: 'enactor-2', note: 'held up', kind: 'process' },
    { id: 'enactor-3', label: 'enactor-3', kind: 'process' },
    { id: answerLane, label: 'the answer', note: 'plan published', kind: 'band' },
    { id: customerLane, label: 'customers', note: 'once a second', kind: 'ticks' },
  ]
  const isShown = (at: number) => at <= shownMs || at >= endMs - 1_500
  const diagram: Diagram = {
    title:
      night.protocol === 'classic' ? 'October 2025: the name that lost its addresses' : 'The same night, with Holdfast',
    description,
    from: 0,
    to: endMs,
    cut: { from: shownMs, to: endMs - 1_500, text: 'an hour later' },
    lanes,
    spans: chronicle.spans.filter(({ from, to }) => isShown(from) || isShown(to)),
    messages: chronicle.messages.filter(({ arrives }) => isShown(arrives)),
    marks: chronicle.marks.filter(({ at }) => isShown(at)),
    accent: 3,
  }
  return drawDiagram(diagram)
}

export const planList = `plans 4 to ${lastOfStorm - 1}`

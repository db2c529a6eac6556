/**
 * A scenario: something that happened, or could, told again by name. `holdfast lab replay NAME` runs it;
 * `scenarios.ts` lists them all.
 */
import type { NonEmpty } from '../src/base/nonempty.ts'

export interface ScenarioOptions {
  /** One of the scenario's own. */
  readonly protocol: string
  /** Called with each line of the transcript, in order. */
  readonly tell: (line: string) => void
  /** Of the simulator; a scenario has one of its own. */
  readonly seed?: number
}

export interface Told {
  /** One paragraph: what happened, and what that means. */
  readonly verdict: string
  /** True when the run ended as the scenario says that it must, with this protocol. */
  readonly asExpected: boolean
  /** Of the history: equal runs, equal hashes. */
  readonly hash: string
  /** A space-time diagram, where there is one. */
  readonly svg?: string
  /** What was counted, for `--json`. */
  readonly facts?: object
}

export interface Scenario {
  /** As typed: lower case, digits and `-`. */
  readonly name: string
  /** One line for the list. */
  readonly summary: string
  /** The first is used when none is named. */
  readonly protocols: NonEmpty<string>
  run(options: ScenarioOptions): Promise<Told>
}

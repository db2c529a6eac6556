/** Every number that the governor is tuned by, with the value that the measured tables were made with. */

export interface Parameters {
  /** An operation is cancelled after it, here and at the dependency. */
  readonly operationTimeoutMs: number
  readonly window: {
    readonly leastMs: number
    readonly mostMs: number
    /** Operations that end, before a window may close early. */
    readonly startSamples: number
    readonly cruiseSamples: number
    /** While it climbs, a window may close as soon as every place was taken so often, if the gain is as clear as this already. */
    readonly turns: number
    readonly clearGain: number
  }
  readonly limitMax: number
  /** Where to begin without a hint. */
  readonly limitFirst: number
  /** With one: this share of its limit. */
  readonly hintShare: number
  /** More failures than this are too many. */
  readonly errorShare: number
  /** Silence for so long, with something in flight, is a stall. */
  readonly stallMs: number
  /** Windows without any success, one after the other, after which the dependency counts as down. */
  readonly stallsToDown: number
  /** Failures in a row, and at least twice the limit, at which it counts as down without further ado. */
  readonly failuresToDown: number
  /** Clean windows after which a degraded dependency counts as up. */
  readonly cleanToUp: number
  readonly probe: { readonly firstMs: number; readonly mostMs: number }
  /** Time that an interactive caller is ready to wait; bounds their queue. */
  readonly interactiveTimeoutMs: number
  /** At most so many interactive calls wait, whatever the throughput. */
  readonly interactiveMax: number
}

export const defaults: Parameters = {
  operationTimeoutMs: 2_000,
  window: { leastMs: 100, mostMs: 2_000, startSamples: 100, cruiseSamples: 400, turns: 4, clearGain: 1.5 },
  limitMax: 4_096,
  limitFirst: 4,
  hintShare: 0.25,
  errorShare: 0.02,
  stallMs: 1_000,
  stallsToDown: 3,
  failuresToDown: 20,
  cleanToUp: 5,
  probe: { firstMs: 200, mostMs: 2_000 },
  interactiveTimeoutMs: 10_000,
  interactiveMax: 4_096,
}

/**
 * Makes a story that violates an invariant as short as it can be while it still violates the same one:
 * fewer happenings (delta debugging, after Zeller), a smaller region, shorter times. What is left is
 * what it takes.
 */
import type { Outcome } from './run.ts'
import { fitting, type Happening, kindOf, type Shape, type Story } from './story.ts'

export interface Shrunk {
  readonly story: Story
  readonly outcome: Outcome
  readonly runs: number
}

export interface ShrinkOptions {
  readonly run: (story: Story) => Promise<Outcome>
  readonly runsMax?: number
  /** Called whenever the story has become shorter. */
  readonly onStep?: (story: Story, runs: number) => void
}

export async function shrink(story: Story, first: Outcome, options: ShrinkOptions): Promise<Shrunk> {
  const shrinking = new Shrinking(story, first, options)
  await shrinking.cutTimes()
  for (let before = Number.POSITIVE_INFINITY; shrinking.size < before && !shrinking.spent; ) {
    before = shrinking.size
    await shrinking.dropHappenings()
    await shrinking.reduceShape()
    await shrinking.shortenHappenings()
    await shrinking.cutTimes()
  }
  return { story: shrinking.story, outcome: shrinking.outcome, runs: shrinking.runs }
}

class Shrinking {
  story: Story
  outcome: Outcome
  runs = 0
  readonly #options: ShrinkOptions
  readonly #runsMax: number
  readonly #invariant: string | undefined

  constructor(story: Story, outcome: Outcome, options: ShrinkOptions) {
    this.story = story
    this.outcome = outcome
    this.#options = options
    this.#runsMax = options.runsMax ?? 600
    this.#invariant = outcome.violation?.invariant
  }

  get spent(): boolean {
    return this.runs >= this.#runsMax
  }

  /** What is to become less: first the happenings, then the region, then the time. */
  get size(): number {
    const { shape, happenings, troubleMs } = this.story
    const duration = happenings.reduce((sum, one) => sum + ('forMs' in one ? one.forMs : 0), 0)
    const turns = happenings.reduce((sum, one) => sum + ('times' in one ? one.times : 0), 0)
    return happenings.length * 1e9 + weightOf(shape) * 1e6 + troubleMs + duration / 100 + turns
  }

  /** Takes the candidate if it violates the same invariant. */
  async #accepts(candidate: Story): Promise<boolean> {
    if (this.spent) return false
    this.runs += 1
    const outcome = await this.#options.run(candidate)
    if (outcome.violation === null || outcome.violation.invariant !== this.#invariant) return false
    this.story = candidate
    this.outcome = outcome
    this.#options.onStep?.(candidate, this.runs)
    return true
  }

  async dropHappenings(): Promise<void> {
    for (let parts = 2; this.story.happenings.length > 0 && !this.spent; ) {
      const { happenings } = this.story
      const size = Math.ceil(happenings.length / parts)
      let dropped = false
      for (let from = 0; from < happenings.length && !dropped; from += size) {
        const rest = [...happenings.slice(0, from), ...happenings.slice(from + size)]
        dropped = await this.#accepts({ ...this.story, happenings: rest })
      }
      if (dropped) parts = Math.max(2, parts - 1)
      else if (size === 1) break
      else parts = Math.min(happenings.length, parts * 2)
    }
  }

  async reduceShape(): Promise<void> {
    for (const smaller of smallerShapes) {
      for (let shape = smaller(this.story.shape); shape !== null && !this.spent; shape = smaller(this.story.shape)) {
        const happenings = fitting(shape, this.story.happenings)
        if (!(await this.#accepts({ ...this.story, shape, happenings }))) break
      }
    }
  }

  async shortenHappenings(): Promise<void> {
    for (let index = 0; index < this.story.happenings.length && !this.spent; index++) {
      for (const change of [shorter, rounder]) {
        const happening = this.story.happenings[index]
        const changed = happening === undefined ? null : change(happening)
        if (changed === null) continue
        const happenings = this.story.happenings.map((one, at) => (at === index ? changed : one))
        await this.#accepts({ ...this.story, happenings })
      }
    }
  }

  /** Nothing after the violation matters; before it, perhaps not all of the time. */
  async cutTimes(): Promise<void> {
    const { violation } = this.outcome
    const atMs = Math.ceil((violation?.atMs ?? 0) / 1000) * 1000
    if (atMs > 0 && atMs < this.story.troubleMs) {
      const happenings = this.story.happenings.filter(({ at }) => at < atMs)
      await this.#accepts({ ...this.story, troubleMs: atMs, happenings })
    }
    const last = this.story.happenings.at(-1)?.at ?? 0
    for (const troubleMs of [last + 1000, last + 5000])
      if (troubleMs < this.story.troubleMs && (await this.#accepts({ ...this.story, troubleMs }))) break
  }
}

const weightOf = ({ pools, authorities = [], ...shape }: Shape): number =>
  Object.values(shape).reduce<number>((sum, value) => sum + Math.min(20, Number(value)), 0) +
  pools.reduce((sum, targets) => sum + targets, 0) +
  authorities.filter((kind) => kind !== 'strict').length

type Smaller = (shape: Shape) => Shape | null

const toLeast =
  (
    key: Exclude<keyof Shape, 'pools' | 'foreign' | 'comparesTtl' | 'quickSites' | 'authorities'>,
    least: number,
  ): Smaller =>
  (shape) =>
    shape[key] > least ? { ...shape, [key]: least } : null

const oneLess =
  (key: 'planners' | 'enactors' | 'probers' | 'aliases' | 'endpointsPerPool', least: number): Smaller =>
  (shape) =>
    shape[key] > least ? { ...shape, [key]: shape[key] - 1 } : null

const smallerShapes: readonly Smaller[] = [
  toLeast('planners', 1),
  toLeast('probers', 1),
  toLeast('enactors', 1),
  oneLess('enactors', 1),
  toLeast('zones', 1),
  (shape) => (shape.pools.length > 1 ? { ...shape, pools: shape.pools.slice(0, -1) } : null),
  (shape) => {
    const greatest = Math.max(...shape.pools)
    return greatest > 1
      ? { ...shape, pools: shape.pools.map((targets) => (targets === greatest ? targets - 1 : targets)) }
      : null
  },
  toLeast('aliases', 0),
  oneLess('aliases', 0),
  toLeast('endpointsPerPool', 1),
  oneLess('endpointsPerPool', 1),
  toLeast('fixed', 0),
  toLeast('rampMs', 0),
  toLeast('coalesceMs', 0),
  (shape) => (shape.foreign ? { ...shape, foreign: false } : null),
  // Not only fewer zones of other kinds, but none: the story is then told without them.
  (shape) => {
    if (shape.authorities === undefined) return null
    const { authorities: _, ...rest } = shape
    return rest
  },
  ...[0, 1].map(
    (zone): Smaller =>
      (shape) => {
        if (kindOf(shape, zone) === 'strict' || zone >= shape.zones) return null
        return { ...shape, authorities: (shape.authorities ?? []).map((kind, at) => (at === zone ? 'strict' : kind)) }
      },
  ),
  (shape) => (shape.comparesTtl ? { ...shape, comparesTtl: false } : null),
  (shape) => {
    if (shape.quickSites === undefined) return null
    const { quickSites: _, ...rest } = shape
    return rest
  },
]

function shorter(happening: Happening): Happening | null {
  if ('times' in happening && happening.times > 1) return { ...happening, times: Math.ceil(happening.times / 2) }
  if (!('forMs' in happening) || happening.forMs <= 1000) return null
  return { ...happening, forMs: Math.round(happening.forMs / 2000) * 1000 }
}

/** A time that is easy to read. */
function rounder(happening: Happening): Happening | null {
  const at = Math.max(1000, Math.floor(happening.at / 1000) * 1000)
  return at === happening.at ? null : { ...happening, at }
}

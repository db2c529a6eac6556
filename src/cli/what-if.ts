/**
 * What would happen if: the reducer that decides for real, run ahead on observations that nobody made.
 * Pure. Everything else stays as it is seen now.
 */
import type { Event } from '../health/reasons.ts'
import { eventText } from '../health/reasons.ts'
import { type Step, type StepInput, step } from '../health/step.ts'
import type { Observation, TargetSeen } from '../model/observation.ts'
import type { EpochMs } from '../world/world.ts'

export interface Supposition {
  /** Targets that would fail every check from now on, and such that would pass every one. */
  readonly down: ReadonlySet<string>
  readonly up: ReadonlySet<string>
}

export interface Moment {
  /** From now, ms. */
  readonly afterMs: number
  readonly texts: readonly string[]
  /** Share of the pool that answers from then on, 0 to 1. */
  readonly capacity: number
}

export interface Course {
  readonly moments: readonly Moment[]
  /** As it stands at the end; null while the pool still waits for its first verdicts. */
  readonly end: Extract<Step, { readonly kind: 'state' }> | null
  readonly forMs: number
}

/** So many rounds of checks are run ahead at most. */
export const roundsMax = 2_000

/** What is said anew in each step, as long as it lasts. */
const lasting = new Set<Event['kind']>(['muted', 'blind', 'demand-ignored'])

export function whatIf(input: StepInput, supposition: Supposition, forMs: number): Course {
  const { pool, now } = input
  const rounds = Math.max(1, Math.min(roundsMax, Math.ceil(forMs / pool.intervalMs)))
  const moments: Moment[] = []
  let observations = observers(input)
  let previous = input.previous
  let end: Course['end'] = null
  let shown = ''
  let told = new Set<string>()
  for (let round = 1; round <= rounds; round++) {
    const at = (now + round * pool.intervalMs) as EpochMs
    observations = observations.map((observation) => nextRound(observation, input, supposition, at))
    const result = step({ ...input, previous, observations, now: at })
    if (result.kind === 'wait') continue
    const targets = result.targets()
    const happened = result.events.filter(({ kind }) => !lasting.has(kind)).map(eventText)
    const lasts = result.events.filter(({ kind }) => lasting.has(kind)).map(eventText)
    const held = [...targets].flatMap(([id, { gate }]) => (gate === null ? [] : [`${id} ${gate}`]))
    const news = [
      ...happened,
      ...lasts.filter((text) => !told.has(text)),
      ...[...targets].flatMap(([id, { gate, until }]) =>
        gate === null || told.has(`${id} ${gate}`)
          ? []
          : [`${id} is held back by ${gate}${until === null ? '' : ` until +${seconds(until - now)} s`}`],
      ),
    ]
    told = new Set([...lasts, ...held])
    const shares = JSON.stringify([...targets].map(([, { state, share }]) => [state, share === 0, share === 1]))
    if (news.length > 0 || (shares !== shown && shown !== ''))
      moments.push({ afterMs: at - now, texts: news, capacity: result.state.capacity })
    shown = shares
    previous = result.state
    end = result
  }
  return { moments, end, forMs: rounds * pool.intervalMs }
}

const seconds = (ms: number): number => Math.max(0, Math.round(ms / 1000))

/** Those who look now; where nobody does, one who has seen everything pass. */
function observers({ pool, observations, now }: StepInput): readonly Observation[] {
  const listening = observations.filter(({ pool: its }) => its === pool.id)
  return listening.length > 0 ? listening : [{ pool: pool.id, prober: 'nobody', at: now, complete: true, targets: {} }]
}

function nextRound(observation: Observation, { pool }: StepInput, { down, up }: Supposition, at: EpochMs): Observation {
  const targets: Record<string, TargetSeen> = {}
  for (const { id } of pool.targets) {
    const seen = Object.hasOwn(observation.targets, id) ? observation.targets[id] : undefined
    const before = seen?.history ?? 'p'.repeat(Math.max(pool.rise, 2))
    const result = down.has(id) ? 'f' : up.has(id) ? 'p' : (before.at(-1) ?? 'p')
    const detail = result === 'p' ? 'ok' : down.has(id) ? 'supposed to fail' : (seen?.detail ?? 'fails')
    targets[id] = { history: `${before}${result}`.slice(-32), at, detail, latencyMs: seen?.latencyMs ?? 0 }
  }
  return { ...observation, at, targets }
}

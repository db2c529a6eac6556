/**
 * Runs one story: trouble with safety checked at every event, then everything is healed, and the
 * region has to arrive at its newest plan by itself within a bound of virtual time.
 */
import { whatIsWrong } from './checks/arrived.ts'
import { asTold } from './checks/as-told.ts'
import { type Check, generationAt, type Invariant, type RunScene, type Violation } from './checks/check.ts'
import { comesBack } from './checks/comes-back.ts'
import { forward } from './checks/forward.ts'
import { honest } from './checks/honest.ts'
import { mineOnly } from './checks/mine-only.ts'
import { neverEmpty } from './checks/never-empty.ts'
import { noStarvation } from './checks/no-starvation.ts'
import { notAllAtOnce } from './checks/not-all-at-once.ts'
import { staticStability } from './checks/static-stability.ts'
import { wayBack } from './checks/way-back.ts'
import { whole } from './checks/whole.ts'
import { happen, heal } from './happen.ts'
import { Region } from './region.ts'
import { noteRivals, placeRival } from './rival.ts'
import type { Standing } from './sim/authority.ts'
import { Kernel, ms } from './sim/kernel.ts'
import type { Story } from './story.ts'

export interface Outcome {
  readonly seed: number
  readonly violation: (Violation & { readonly atMs: number }) | null
  readonly hash: string
  readonly events: number
  readonly simulatedMs: number
  /** Trace events of the programs, by name: which branches were reached. */
  readonly reached: ReadonlyMap<string, number>
  readonly happened: ReadonlyMap<string, number>
  /** When everything was right again, after healing; null if it never was. */
  readonly healedMs: number | null
}

export interface RunOptions {
  /** Called with each line of the transcript. */
  readonly tell?: (line: string) => void
  /** Puts something else in place of a part of the region, before it starts: planted bugs. */
  readonly sabotage?: (region: Region) => void
  /** Look for a violation of this invariant only. */
  readonly only?: Invariant
}

class Violated extends Error {
  readonly violation: Violation
  constructor(violation: Violation) {
    super(violation.text)
    this.violation = violation
  }
}

/** How long plans follow one another after everything is right again. */
const steadyMs = 12_000
const editEveryMs = 900
/** After healing, nobody asks whether all is right before this. */
const restMs = 20_000

export async function runStory(story: Story, { tell, sabotage, only }: RunOptions = {}): Promise<Outcome> {
  const kernel = new Kernel({ seed: story.seed })
  const region = new Region(kernel, story.shape)
  sabotage?.(region)
  const reached = new Map<string, number>()
  const happened = new Map<string, number>()
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
  const say = tell && ((text: string) => tell(`${(kernel.now / 1e6).toFixed(6).padStart(12)} s  ${text}`))

  const { foreign } = region
  let healedAt: number | null = null
  let clocksAreRight = true
  const scene: RunScene = {
    standing: (name) => region.authorityOf(name).at(name),
    names: function* () {
      for (const authority of region.authorities) yield* authority.names()
    },
    stored: (key) => region.store.peek(key),
    storedKeys: (prefix) => region.store.keys(prefix),
    now: () => kernel.now / 1000,
    wasHeldUp: (id, withinMs) => {
      const process = region.processes.get(id)
      return process === undefined || (kernel.now - process.pausedUntil < ms(withinMs) && kernel.now > ms(withinMs))
    },
    cutOffMs: (id) => region.store.unreachableFor(id) / 1000,
    clocksAreRight: () => clocksAreRight,
    healedAt: () => healedAt,
    foreign,
  }
  const checks = [
    forward(scene),
    neverEmpty(scene),
    whole(),
    wayBack(scene, story.shape.keepPlans),
    notAllAtOnce(scene, (digest) => region.policies.get(digest ?? '') ?? region.policy),
    mineOnly(foreign),
    honest(scene),
    noStarvation(scene),
    staticStability(scene),
    comesBack(),
    asTold(scene),
  ].filter(({ invariant }) => only === undefined || invariant === only) as readonly Check[]
  let found: Violation | null = null
  for (const authority of region.authorities)
    authority.onChange = (name, before, after, by, sent) => {
      say?.(`${by.padEnd(10)} ${name} ${describe(before)} => ${describe(after)}`)
      noteRivals(foreign, name, before, after, by)
      for (const check of checks) found ??= check.onRecords?.(name, before, after, by, sent / 1000) ?? null
    }
  placeForeign(region, story)
  region.store.onCommit = (writes, by) => {
    if (say !== undefined) {
      const told = writes
        .map(({ kind, key }) => (kind === 'put' ? key : `-${key}`))
        .filter((key) => !/^(status|observation)\//.test(key))
      if (told.length > 0) say(`${by.padEnd(10)} commits ${told.join(' ')}`)
    }
    for (const check of checks) found ??= check.onCommit?.(writes, by) ?? null
  }
  region.onHeard = (name, heard, asked) => {
    for (const check of checks) found ??= check.onHeard?.(name, heard, asked) ?? null
  }
  region.listener = (process, event) => {
    count(reached, event.event)
    if (say !== undefined) {
      const { event: name, ...fields } = event
      say(`${process.id.padEnd(10)} ${name} ${JSON.stringify(fields)}`)
    }
  }
  kernel.afterEvent = () => {
    if (found !== null) throw new Violated(found)
  }

  for (const happening of story.happenings)
    kernel.after(ms(happening.at), null, () => {
      count(happened, happening.kind)
      say?.(`-- ${happening.kind} ${JSON.stringify(happening)}`)
      if (happening.kind === 'clock') clocksAreRight = false
      happen(region, happening)
    })
  region.startAll()

  let healedMs: number | null = null
  let violation: Outcome['violation'] = null
  try {
    await kernel.run(ms(story.troubleMs))
    say?.('-- heal')
    heal(region)
    healedAt = kernel.now / 1000
    const until = (limit: number, stop: () => boolean) =>
      kernel.run(
        limit,
        everyHalfSecond(kernel, checks, (one) => (found ??= one), stop),
      )
    await until(
      ms(story.troubleMs + story.calmMs),
      () => kernel.now > ms(story.troubleMs + restMs) && whatIsWrong(region, foreign) === null,
    )
    const wrong = whatIsWrong(region, foreign)
    if (wrong === null) {
      healedMs = kernel.now / 1000 - story.troubleMs
      await keepBusy(region, until)
    } else if (only === undefined || only === 'L1')
      violation = { invariant: 'L1', text: wrong, atMs: kernel.now / 1000 }
  } catch (error) {
    if (error instanceof Violated) violation = { ...error.violation, atMs: kernel.now / 1000 }
    else if (kernel.failure === null) throw error
    else violation = { invariant: 'BUG', text: messageOf(error), atMs: kernel.now / 1000 }
  }
  return {
    seed: story.seed,
    violation,
    hash: kernel.hash,
    events: kernel.events,
    simulatedMs: kernel.now / 1000,
    reached,
    happened,
    healedMs,
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A name with records that somebody else put there; in half of such stories another deployment marked them. */
function placeForeign(region: Region, { seed, shape }: Story): void {
  const name = shape.foreign ? [...region.policy.endpoints.keys()].at(-1) : undefined
  if (name !== undefined) placeRival(region, name, seed % 2 === 0 ? null : 1)
}

/** Looks twice a second: a look costs more than an event. */
function everyHalfSecond(
  kernel: Kernel,
  checks: readonly Check[],
  report: (violation: Violation) => void,
  stop: () => boolean,
): () => boolean {
  let next = 0
  return () => {
    if (kernel.now < next) return false
    next = kernel.now + ms(500)
    for (const check of checks) {
      const violation = check.onTime?.()
      if (violation) report(violation)
    }
    return stop()
  }
}

/** Plan after plan, with nothing broken. */
async function keepBusy(region: Region, until: (limit: number, stop: () => boolean) => Promise<void>): Promise<void> {
  const { kernel } = region
  const begun = kernel.now
  for (let at = 0; at < ms(steadyMs); at += ms(editEveryMs))
    kernel.arrive(at, null, () =>
      region.edit((wishes) => {
        wishes.ttl = wishes.ttl === 30 ? 60 : 30
      }),
    )
  await until(begun + ms(steadyMs), () => false)
}

function describe({ addresses, alias, ttl, ...standing }: Standing): string {
  const generation = generationAt({ addresses, alias, ttl, ...standing })
  return `[${generation ?? '-'}: ${alias ?? addresses.join(' ')}]`
}

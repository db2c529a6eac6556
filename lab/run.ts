/**
 * Runs one story: trouble with safety checked at every event, then everything is healed, and the
 * region has to arrive at its newest plan by itself within a bound of virtual time.
 */
import type { Name } from '../src/model/name.ts'
import { whatIsWrong } from './checks/arrived.ts'
import { type Check, generationAt, type Scene, type Violation } from './checks/check.ts'
import { forward } from './checks/forward.ts'
import { mineOnly } from './checks/mine-only.ts'
import { neverEmpty } from './checks/never-empty.ts'
import { wayBack } from './checks/way-back.ts'
import { whole } from './checks/whole.ts'
import { happen, heal } from './happen.ts'
import { Region } from './region.ts'
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
}

class Violated extends Error {
  readonly violation: Violation
  constructor(violation: Violation) {
    super(violation.text)
    this.violation = violation
  }
}

export async function runStory(story: Story, { tell, sabotage }: RunOptions = {}): Promise<Outcome> {
  const kernel = new Kernel({ seed: story.seed })
  const region = new Region(kernel, story.shape)
  sabotage?.(region)
  const reached = new Map<string, number>()
  const happened = new Map<string, number>()
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
  const say = tell && ((text: string) => tell(`${(kernel.now / 1e6).toFixed(6).padStart(12)} s  ${text}`))

  const foreign = new Set<Name>()
  if (story.shape.foreign) {
    const name = [...region.policy.endpoints.keys()].at(-1)
    if (name !== undefined) {
      foreign.add(name)
      region.authorityOf(name).tamper(name, { addresses: ['198.51.100.7' as never], ttl: 60 })
    }
  }

  const scene: Scene = {
    standing: (name) => region.authorityOf(name).at(name),
    names: function* () {
      for (const authority of region.authorities) yield* authority.names()
    },
    stored: (key) => region.store.peek(key),
    storedKeys: (prefix) => region.store.keys(prefix),
    now: () => kernel.now / 1000,
  }
  const checks: readonly Check[] = [
    forward(),
    neverEmpty(scene),
    whole(),
    wayBack(scene, story.shape.keepPlans),
    mineOnly(foreign),
  ]
  let found: Violation | null = null
  for (const authority of region.authorities)
    authority.onChange = (name, before, after, by) => {
      say?.(`${by.padEnd(10)} ${name} ${describe(before)} => ${describe(after)}`)
      for (const check of checks) found ??= check.onRecords?.(name, before, after, by) ?? null
    }
  region.store.onCommit = (writes, by) => {
    if (say !== undefined) {
      const told = writes
        .map(({ kind, key }) => (kind === 'put' ? key : `-${key}`))
        .filter((key) => !/^(status|observation)\//.test(key))
      if (told.length > 0) say(`${by.padEnd(10)} commits ${told.join(' ')}`)
    }
    for (const check of checks) found ??= check.onCommit?.(writes, by) ?? null
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
      happen(region, happening)
    })
  region.startAll()

  let healedMs: number | null = null
  let violation: Outcome['violation'] = null
  try {
    await kernel.run(ms(story.troubleMs))
    say?.('-- heal')
    heal(region)
    const isRight = () => whatIsWrong(region, foreign) === null
    // Looks twice a second: a look costs more than an event.
    let next = 0
    await kernel.run(ms(story.troubleMs + story.calmMs), () => {
      if (kernel.now < next) return false
      next = kernel.now + ms(500)
      return kernel.now > ms(story.troubleMs + 20_000) && isRight()
    })
    const wrong = whatIsWrong(region, foreign)
    if (wrong === null) healedMs = kernel.now / 1000 - story.troubleMs
    else violation = { invariant: 'L1', text: wrong, atMs: kernel.now / 1000 }
  } catch (error) {
    if (!(error instanceof Violated)) throw error
    violation = { ...error.violation, atMs: kernel.now / 1000 }
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

function describe({ addresses, alias, ttl, ...standing }: Standing): string {
  const generation = generationAt({ addresses, alias, ttl, ...standing })
  return `[${generation ?? '-'}: ${alias ?? addresses.join(' ')}]`
}

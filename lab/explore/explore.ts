/** From what is asked for to what is found: learns the programs, says what to expect, explores. */
import { WrongMerger } from './automaton.ts'
import { classicWorld } from './classic.ts'
import { type Estimate, estimate } from './estimate.ts'
import { allReductions, type HoldfastWorld, holdfastWorld } from './holdfast.ts'
import { type Mechanism, mechanisms } from './mechanisms.ts'
import { type Report, reportOf, tellEstimate } from './report.ts'
import { type Explored, search } from './search.ts'
import { type Bounds, type Limits, NeverLearned, type World } from './world.ts'

export interface ExploreOptions extends Bounds {
  readonly enactors: number
  readonly plans: number
  readonly endpoints: number
  readonly protocol: string
  readonly sweep?: boolean
  readonly foreign?: boolean
  readonly server: string
  readonly disable?: string
  /** Milliseconds. */
  readonly for: number
  readonly states: number
  /** MiB. */
  readonly memory: number
}

export interface Telling {
  note(text: string): void
  progress(states: number, transitions: number, depth: number): void
  readonly signal?: AbortSignal
}

/** Of the time that is allowed, for smaller worlds, to estimate by. */
const probing = { share: 0.1, mostMs: 30_000 }

export async function explore(options: ExploreOptions, telling: Telling): Promise<Report> {
  const limits: Limits = { states: options.states, ms: options.for, bytes: options.memory * 2 ** 20 }
  return options.protocol === 'classic'
    ? await exploreClassic(options, limits, telling)
    : await exploreHoldfast(options, limits, telling)
}

async function exploreClassic(options: ExploreOptions, limits: Limits, telling: Telling): Promise<Report> {
  const { enactors, plans, endpoints } = options
  const bounds = { ...options, ticks: 0, stalls: 0 }
  const world = (enactors: number) => classicWorld({ enactors, plans, endpoints }, bounds)
  // What is violated early need not be estimated; who asks for more than the race is told.
  const { world: all, isStuck } = world(enactors)
  telling.note('exploring')
  const explored = await search(all, limits, telling)
  const stuck = explored.state === null ? null : await isStuck(explored.state)
  return reportOf({
    protocol: 'classic',
    world: `the protocol of October 2025, ${enactors} enactors x ${plans} plans x ${endpoints} endpoints, ${options.crashes} crashes`,
    without: null,
    explored,
    estimate: null,
    learned: [],
    judged: ['S2', 'L1'],
    isStuck: stuck,
  })
}

async function exploreHoldfast(options: ExploreOptions, limits: Limits, telling: Telling): Promise<Report> {
  const mechanism = mechanisms.find(({ name }) => name === options.disable) ?? null
  const needs = mechanism?.needs
  const size = {
    enactors: needs?.enactors ?? options.enactors,
    plans: Math.max(options.plans, needs?.plans ?? 0),
    endpoints: options.endpoints,
    withSweep: options.sweep === true || needs?.sweep === true,
    withForeign: options.foreign === true,
  }
  const bounds: Bounds = {
    crashes: options.crashes,
    ticks: Math.max(options.ticks, mechanism === null ? 0 : 1),
    lies: Math.max(options.lies, needs?.lies ?? 0),
    stalls: Math.max(options.stalls, needs?.stalls ?? 0),
  }
  const text = [
    `${size.enactors} enactors x ${size.plans} plans x ${size.endpoints} endpoints`,
    `${bounds.crashes} crashes, ${bounds.stalls} stalls, ${bounds.ticks} ticks, ${bounds.lies} lies`,
    ...(size.withSweep ? ['with the sweep'] : []),
    ...(size.withForeign ? ["with a name of somebody else's"] : []),
    `${mechanism === null ? options.server : 'plain'} server`,
  ].join(', ')
  // What is put in a mechanism's place may have a memory of its own, about which nothing is assumed. What is
  // violated is found long before programs would have been learned to the end.
  const last = mechanism === null || mechanism.isStateless === true
  const quotient = mechanism === null
  const until = performance.now() + limits.ms
  const left = (): Limits => ({ ...limits, ms: Math.max(0, until - performance.now()) })
  const run = async (assumed: Partial<typeof allReductions>) => {
    const holdfast = holdfastWorld(size, bounds, { ...allReductions, last, quotient, ...assumed }, mechanism)
    if (mechanism === null && options.server === 'plain') holdfast.shared.authority.kind = 'plain'
    const expected = mechanism === null ? await expect(holdfast, size.enactors, left(), telling) : null
    telling.note(expected === null ? 'exploring' : `exploring; ${tellEstimate(expected, left())}`)
    const explored = await search(holdfast.world, left(), telling)
    return { explored, expected, learned: holdfast.learned }
  }
  const { explored, expected, learned } = await careful(run, telling)
  return reportOf({
    protocol: 'holdfast',
    world: text,
    without: (mechanism as Mechanism | null)?.without ?? null,
    explored,
    estimate: expected,
    learned,
    judged: ['S1', 'S2', 'S3', 'S4', ...(size.withForeign ? (['S6'] as const) : []), 'L1', 'L2'],
    isStuck: null,
  })
}

/** Begins again with less taken for granted where that turns out to be wrong. */
async function careful<T>(run: (assumed: Partial<typeof allReductions>) => Promise<T>, telling: Telling): Promise<T> {
  for (const assumed of [{}, { quotient: false, between: false }, { quotient: false, last: false }]) {
    try {
      return await run(assumed)
    } catch (error) {
      if (!(error instanceof WrongMerger || error instanceof NeverLearned)) throw error
      telling.note('two pasts of a program were taken for one, and were not: begins again with longer memories')
    }
  }
  throw new Error('expected the whole past of a program to be enough to know what it does')
}

async function expect(
  holdfast: HoldfastWorld,
  enactors: number,
  limits: Limits,
  telling: Telling,
): Promise<Estimate | null> {
  telling.note('learning what each program can do, whatever the others do')
  const small = { ...limits, ms: Math.min(probing.mostMs, limits.ms * probing.share) }
  const probe = async (world: World): Promise<Explored> => await search(world, small, telling)
  // Learns, too, with all the time that there is.
  await holdfast.world.start({ ...telling, allowed: limits })
  const few = await probe(holdfast.fewer(Math.max(0, enactors - 2)))
  const fewer = enactors === 1 ? null : await probe(holdfast.fewer(enactors - 1))
  return fewer === null ? null : estimate(enactors, [fewer, few])
}

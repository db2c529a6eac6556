/**
 * The world that is explored for Holdfast: production enactors and sweep, and a planner that decides
 * and publishes one plan after another, each of which changes every endpoint.
 */
import { assert } from '../../src/base/assert.ts'
import { digestOf } from '../../src/base/bytes.ts'
import { enactor } from '../../src/enact/enactor.ts'
import { sweepOnce } from '../../src/enact/sweep.ts'
import type { IpAddress } from '../../src/model/address.ts'
import { genesis } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { Policy } from '../../src/model/policy.ts'
import { compile, isCompiled } from '../../src/plan/compile.ts'
import { decide } from '../../src/plan/decide.ts'
import { type Publishable, publish } from '../../src/plan/publish.ts'
import type { Revision, Store } from '../../src/store/store.ts'
import type { EpochMs } from '../../src/world/world.ts'
import { Automaton } from './automaton.ts'
import type { Mechanism } from './mechanisms.ts'
import { policyOf, providerOf, storeOf, worldOf } from './ports.ts'
import type { Operation, Self } from './program.ts'
import { HoldfastShared } from './shared.ts'
import { type Bounds, type Member, World } from './world.ts'

export interface Size {
  readonly enactors: number
  readonly plans: number
  readonly endpoints: number
  readonly withSweep: boolean
}

/** What is taken for granted; each can be switched off, to see that it makes no difference. */
export interface Reductions {
  /** Operations that nobody else can ever notice are done at once. */
  readonly alone: boolean
  /** Enactors are interchangeable. */
  readonly twins: boolean
  /** A program is what it was last told on each topic. */
  readonly last: boolean
  /** The same when it begins a turn with no pass under way; otherwise only when it rests. */
  readonly between: boolean
  /** What enactors said of their progress is not shown to enactors: it is evidence for names that lost their marker, and here none does. */
  readonly evidence: boolean
  /** News of a plan reaches a program between its passes, not in the middle of one; in the middle it asks for news by itself, before every write. */
  readonly calm: boolean
}

export const allReductions: Reductions = {
  alone: true,
  twins: true,
  last: true,
  between: true,
  evidence: true,
  calm: true,
}

/** What it was told of these a program has acted on by the time that it rests. */
const forgotten =
  /^(looked|read|write .*|put .*|range .*|commit .*|sleep|watch|get (?!head for turn|shard).*|wrote (?!progress).*)$/

export const zone = 'test.' as Name
export const keepPlans = 1
export const nameOf = (endpoint: number): Name => `e${endpoint}.${zone}` as Name
const addressOf = (plan: number, endpoint: number): IpAddress => `10.0.${endpoint}.${plan}` as IpAddress

function policyFor(plan: number, endpoints: number): Policy {
  return {
    digest: digestOf(`policy ${plan}`),
    owner: 'lab',
    zones: new Map([
      [
        zone,
        { name: zone, authority: { kind: 'rfc2136', address: { host: '10.1.0.1', port: 53 } }, key: 'key.' as Name },
      ],
    ]),
    pools: new Map(),
    endpoints: new Map(
      Array.from({ length: endpoints }, (_, endpoint) => [
        nameOf(endpoint),
        {
          name: nameOf(endpoint),
          zone,
          ttl: 60,
          from: { kind: 'addresses', addresses: [{ address: addressOf(plan, endpoint), weight: 1 }] },
          adopt: false,
        },
      ]),
    ),
    keepPlans,
    coalesceMs: 0,
  }
}

/** What programs act on in a document; counters and times are for people. */
function canonical(key: string, value: Uint8Array): Uint8Array {
  const claim = key.startsWith(keys.claim.prefix) ? keys.claim.decode(value) : undefined
  if (claim !== undefined) return keys.claim.encode({ ...claim, at: 0 as EpochMs })
  const progress = key.startsWith(keys.progress.prefix) ? keys.progress.decode(value) : undefined
  if (progress === undefined) return value
  return keys.progress.encode({ ...progress, at: 0 as EpochMs, applied: 0, repaired: 0, conflicts: 0, fenced: 0 })
}

export interface HoldfastWorld {
  readonly world: World
  readonly shared: HoldfastShared
  readonly plans: readonly Publishable[]
  readonly enactor: Automaton
}

export function holdfastWorld(
  size: Size,
  bounds: Bounds,
  reductions: Reductions = allReductions,
  mechanism: Mechanism | null = null,
): HoldfastWorld {
  const plans = plansOf(size)
  const members: Member[] = []
  const shared = new HoldfastShared(size, plans, keepPlans, members, bounds.ticks, reductions, () => world)
  const answerOf = (told: number): unknown => shared.answerOf(told)
  const remembering = {
    memory: reductions.last ? ('last' as const) : ('all' as const),
    isBetween: (operations: readonly Operation[]) => {
      const open = operations.filter(({ isTimed }) => !isTimed)
      return reductions.between && open.length === 1 && open[0]?.topic === 'get head for turn'
    },
    // When it last verified, and when it last said how far it is.
    isTimeRemembered: (topic: string) => topic === 'range progress/' || topic === 'commit progress',
    isAtRest: (operations: readonly Operation[]) => operations.every(({ isTimed }) => isTimed),
    // A shard that was read is kept: without a sweep that makes no difference, since it would be found again.
    isForgottenAtRest: (topic: string) => (!size.withSweep && topic.startsWith('get shard/')) || forgotten.test(topic),
  }
  const policy = policyFor(1, size.endpoints)
  const storeFor = (self: Self, role: 'planner' | 'enactor' | 'sweep'): Store => {
    const store = storeOf(self, canonical)
    return mechanism?.store?.(store, role) ?? store
  }
  const enacting = (id: string) =>
    new Automaton(
      id,
      (self) => {
        const store = storeFor(self, 'enactor')
        const seen = mechanism?.enactor?.(store)
        const provider = providerOf(self)
        return enactor(worldOf(self), {
          store: seen?.store ?? store,
          policy: policyOf(self, policy),
          provider: () => seen?.provider(provider) ?? provider,
          self: { pid: 0, http: null },
        })
      },
      remembering,
      answerOf,
    )
  const planner = new Automaton(
    'planner',
    (self) => publishAll(self, storeFor(self, 'planner'), plans),
    remembering,
    answerOf,
  )
  members.push({ id: 'planner', automaton: planner, isCrashable: false, isOutside: true })
  const alike = enacting('enactor')
  for (let index = 1; index <= size.enactors; index++) {
    const automaton = reductions.twins ? alike : enacting(`enactor-${index}`)
    members.push({ id: `enactor-${index}`, automaton, isCrashable: true, isOutside: false })
  }
  if (size.withSweep) {
    const once = mechanism?.sweep ?? ((self: Self, store: Store) => sweepOnce(worldOf(self), store, keepPlans))
    const automaton = new Automaton(
      'sweep',
      (self) => sweep(self, storeFor(self, 'sweep'), once),
      remembering,
      answerOf,
    )
    members.push({ id: 'sweep', automaton, isCrashable: true, isOutside: false })
  }
  shared.isConditional = mechanism?.isUnconditional !== true
  const twins = reductions.twins
    ? Array.from({ length: size.enactors }, (_, index) => ({ member: index + 1, slots: shared.slotsOf(index) }))
    : []
  const world = new World(members, shared, bounds, twins, reductions.alone, reductions.calm)
  return { world, shared, plans, enactor: alike }
}

/** Plans are the same in every interleaving, since one planner makes them one after another: made once. */
function plansOf({ plans, endpoints }: Size): readonly Publishable[] {
  const made: Publishable[] = []
  let previous: Parameters<typeof decide>[0]['previous'] = null
  for (let number = 1; number <= plans; number++) {
    const compiled = compile(policyFor(number, endpoints))
    assert(isCompiled(compiled), 'expected a policy that compiles')
    const decided = decide({
      compiled,
      observations: new Map(),
      reports: new Map(),
      demands: new Map(),
      overrides: [],
      refused: new Map(),
      previous,
      above: previous?.head.generation ?? genesis,
      rebase: null,
      rollback: null,
      since: 0 as EpochMs,
      noticed: null,
      now: 0 as EpochMs,
      author: 'planner',
    })
    assert(decided.kind === 'plan', `expected plan ${number}, found ${decided.kind}`)
    made.push(decided)
    previous = decided.text
  }
  return made
}

async function publishAll(self: Self, store: Store, plans: readonly Publishable[]): Promise<void> {
  for (const [before, plan] of plans.entries()) {
    const publication = await publish(store, plan, before as Revision)
    assert(publication.kind === 'published', `expected plan ${before + 1} to be published, found ${publication.kind}`)
  }
  self.end()
}

/** After every plan, and whenever time has passed. */
async function sweep(_self: Self, store: Store, once: (self: Self, store: Store) => Promise<unknown>): Promise<never> {
  for (let seen = 0 as Revision; ; ) {
    seen = (await store.watch(keys.head.prefix, seen, 1_000)).revision
    await once(_self, store)
  }
}

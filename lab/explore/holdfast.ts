/**
 * The world that is explored for Holdfast: production planner, enactors and sweep, and the production
 * server's judgement behind every write. The policy is edited as soon as a plan is published, and each
 * plan changes every endpoint.
 */
import { assert } from '../../src/base/assert.ts'
import { digestOf } from '../../src/base/bytes.ts'
import { enactor } from '../../src/enact/enactor.ts'
import { sweepOnce } from '../../src/enact/sweep.ts'
import type { IpAddress } from '../../src/model/address.ts'
import { genesis } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { Policy, PolicySource } from '../../src/model/policy.ts'
import { compile, isCompiled } from '../../src/plan/compile.ts'
import { decide } from '../../src/plan/decide.ts'
import { planner } from '../../src/plan/planner.ts'
import type { Publishable } from '../../src/plan/publish.ts'
import type { Revision, Store } from '../../src/store/store.ts'
import type { EpochMs, Instant, World as ProgramWorld } from '../../src/world/world.ts'
import { Automaton } from './automaton.ts'
import { type Learned, learnAll } from './learning.ts'
import type { Mechanism } from './mechanisms.ts'
import { policyOf, providerOf, storeOf, worldOf } from './ports.ts'
import type { Operation, Self } from './program.ts'
import { HoldfastShared } from './shared.ts'
import { type Bounds, type Member, type Preparing, World } from './world.ts'

export interface Size {
  readonly enactors: number
  readonly plans: number
  readonly endpoints: number
  readonly withSweep: boolean
  /** One endpoint more, where somebody else's records stand already. */
  readonly withForeign?: boolean
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
  /** Of progress the sweep is shown what it goes by. */
  readonly roots: boolean
  /** What nobody will ask for again is forgotten. */
  readonly forgotten: boolean
  /** What a program will do from here on, and not how it came here, is what it is. Rests on `last`. */
  readonly quotient: boolean
  /** News of a plan reaches a program between its passes, not in the middle of one; in the middle it asks for news by itself, before every write. */
  readonly calm: boolean
}

export const allReductions: Reductions = {
  alone: true,
  twins: true,
  last: true,
  between: true,
  evidence: true,
  roots: true,
  forgotten: true,
  quotient: true,
  calm: true,
}

/** What it was told of these a program has acted on by the time that it rests. */
const forgotten =
  /^(looked|read|write .*|put .*|range .*|commit .*|sleep|watch|get (?!head for turn|shard).*|wrote (?!progress).*)$/

export const zone = 'test.' as Name
export const keepPlans = 1
export const nameOf = (endpoint: number): Name => `e${endpoint}.${zone}` as Name
const owner = 'lab'
const addressOf = (plan: number, endpoint: number): IpAddress => `10.0.${endpoint}.${plan}` as IpAddress

function policyFor(plan: number, endpoints: number): Policy {
  return {
    digest: digestOf(`policy ${plan}`),
    owner,
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
  /** What was explored to learn what each program can do, whatever the others do; empty before the search. */
  readonly learned: readonly Learned[]
  /** The same world with fewer enactors. */
  fewer(enactors: number): World
}

export function holdfastWorld(
  size: Size,
  bounds: Bounds,
  reductions: Reductions = allReductions,
  mechanism: Mechanism | null = null,
): HoldfastWorld {
  const plans = plansOf(size.plans, size.endpoints + Number(size.withForeign === true))
  const foreign = new Set(size.withForeign === true ? [nameOf(size.endpoints)] : [])
  const endpoints = size.endpoints + foreign.size
  const names = Array.from({ length: endpoints }, (_, endpoint) => nameOf(endpoint))
  const members: Member[] = []
  const shared = new HoldfastShared(size, plans, names, keepPlans, members, bounds.ticks, reductions, zone, foreign)
  const answerOf = (told: number): unknown => shared.answerOf(told)
  const remembering = {
    memory: reductions.last ? ('last' as const) : ('all' as const),
    // Where plans can vanish, a pass may find that before or after it hears of a newer one.
    streamOf: (topic: string) => (size.withSweep && topic.startsWith('get ') ? 'store' : topic),
    isBetween: (operations: readonly Operation[]) => {
      const open = operations.filter(({ isTimed }) => !isTimed)
      return reductions.between && open.length === 1 && open[0]?.topic === 'get head for turn'
    },
    // When it last verified, when it last said how far it is, and when it found that a part of its plan is gone.
    isTimeRemembered: (topic: string) =>
      topic === 'range progress/' || topic === 'commit progress' || (size.withSweep && topic.startsWith('get shard/')),
    // How a write came out says how to take what is read next, and no more.
    isSettledBy: (topic: string, by: string) => by === 'read' && /^(since )?write /.test(topic),
    isAtRest: (operations: readonly Operation[]) => operations.every(({ isTimed }) => isTimed),
    // A shard that was read is kept: without a sweep that makes no difference, since it would be found again.
    isForgottenAtRest: (topic: string) => (!size.withSweep && topic.startsWith('get shard/')) || forgotten.test(topic),
  }
  const policies = Array.from({ length: size.plans }, (_, index) => policyFor(index + 1, endpoints))
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
          policy: policyOf(self, policies[0] as Policy),
          provider: () => seen?.provider(provider) ?? provider,
          self: { pid: 0, http: null },
        })
      },
      remembering,
      answerOf,
    )
  const planning = new Automaton(
    'planner',
    (self) => planInTurn(self, storeFor(self, 'planner'), policies),
    { ...remembering, memory: 'all' },
    answerOf,
  )
  members.push({ id: 'planner', automaton: planning, isCrashable: false, isOutside: true, own: null })
  const alike = enacting('enactor')
  for (let index = 0; index < size.enactors; index++) {
    const automaton = reductions.twins ? alike : enacting(`enactor-${index + 1}`)
    const own = [shared.layout.claim(index), shared.layout.progress(index)]
    members.push({ id: `enactor-${index + 1}`, automaton, isCrashable: true, isOutside: false, own })
  }
  if (size.withSweep) {
    const once = mechanism?.sweep ?? ((self: Self, store: Store) => sweepOnce(worldOf(self), store, keepPlans))
    const automaton = new Automaton(
      'sweep',
      (self) => sweep(self, storeFor(self, 'sweep'), once),
      remembering,
      answerOf,
    )
    members.push({ id: 'sweep', automaton, isCrashable: true, isOutside: false, own: null })
  }
  shared.authority.kind = mechanism === null ? 'built-in' : mechanism.isUnconditional ? 'unconditional' : 'plain'
  const taken = { reduced: reductions.alone, calm: reductions.calm, twins: reductions.twins }
  const learned: Learned[] = []
  const setting = { members, shared, bounds, taken, plans, owner, deletesAny: mechanism?.sweep !== undefined }
  let learning: Promise<readonly Learned[]> | undefined
  const prepare = async (it: World, preparing: Preparing): Promise<void> => {
    if (reductions.quotient && reductions.last) {
      learning ??= learnAll(world, setting, preparing)
      for (const one of await learning) if (!learned.includes(one)) learned.push(one)
    }
    for (const index of members.keys()) if (it !== world) it.use(index, world.machine(index))
    shared.world = it
  }
  const world = new World(members, shared, bounds, taken, { prepare })
  shared.world = world
  const fewer = (enactors: number): World => {
    const isPresent = (member: Member) => member.own === null || members.indexOf(member) <= enactors
    return new World(members, shared, bounds, taken, { prepare, isPresent })
  }
  return { world, shared, plans, enactor: alike, learned, fewer }
}

/** What the plans say: the same in every interleaving, since one planner makes them one after another. */
function plansOf(plans: number, endpoints: number): readonly Publishable[] {
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

const forever = new Promise<never>(() => {})

/**
 * The production planner. Its time is its own: whenever it waits, it has waited, and finds the policy edited
 * again, so that it goes from one publication to the next in no time.
 */
function planInTurn(self: Self, given: Store, policies: readonly Policy[]): Promise<unknown> {
  let now = 0
  let published = 0
  const unlessDone = async <T>(go: () => Promise<T>): Promise<T> => await (published < policies.length ? go() : forever)
  const store: Store = {
    get: (key) => unlessDone(() => given.get(key)),
    range: (prefix, page) => unlessDone(() => given.range(prefix, page)),
    commit: (compares, writes) => unlessDone(() => given.commit(compares, writes)),
    watch: (_prefix, after, timeoutMs) =>
      unlessDone(async () => {
        now += Math.max(1, timeoutMs)
        return { kind: 'quiet', revision: after }
      }),
    close: async () => {},
  }
  const world: ProgramWorld = {
    ...worldOf(self),
    clock: {
      now: () => now as Instant,
      wall: () => now as EpochMs,
      async sleep(ms) {
        now += ms
      },
    },
    trace: ({ event }) => {
      if (event !== 'plan.published') return
      published += 1
      if (published === policies.length) self.end()
    },
  }
  const policy: PolicySource = {
    read: () =>
      unlessDone(async () => ({
        kind: 'policy',
        policy: policies[published] as Policy,
        modified: (published + 1) as EpochMs,
      })),
  }
  return planner(world, { store, policy, self: { pid: 0, http: null } })
}

/** After every plan, and whenever time has passed. */
async function sweep(self: Self, store: Store, once: (self: Self, store: Store) => Promise<unknown>): Promise<never> {
  for (let seen = 0 as Revision; ; ) {
    seen = (await store.watch(keys.head.prefix, seen, 1_000)).revision
    await once(self, store)
  }
}

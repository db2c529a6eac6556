/**
 * What every name should answer now: the next plan, or that the last one stays, and why. Pure; the
 * same situation gives the same plan, so redundant planners agree.
 */
import { assert } from '../base/assert.ts'
import { type Digest, digestOf } from '../base/bytes.ts'
import { isNonEmpty } from '../base/nonempty.ts'
import type { Event } from '../health/reasons.ts'
import { shareOf, weightsOf } from '../health/weights.ts'
import { answerText } from '../model/answer.ts'
import { after, type Generation, genesis, greatestGeneration } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import { lineOf, type PlanHead, type PlanText, type PoolState, type Reason, shardOf, shardText } from '../model/plan.ts'
import type { Endpoint } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { type Assessment, assess, earliest, type Situation } from './assess.ts'
import { type Build, buildShard, newTally, rebuildShard, type Tally } from './build.ts'
import type { Compiled } from './compile.ts'
import { type Difference, differencesOf, isRetiredLine, linesByShard } from './difference.ts'
import { refuseRetirements } from './retire.ts'
import { answerAgain, repeatedBy, rolledBackPools, wantedByRollback } from './rollback.ts'

export interface Decision extends Situation {
  /** As in the situation, with the shards that `affectedShards` named. */
  readonly previous: PlanText | null
  /** Who plans: goes into the plan. */
  readonly author: string
}

export type Decided =
  | {
      readonly kind: 'plan'
      readonly head: PlanHead
      /** By digest: those that the previous plan does not have at the same place. */
      readonly newShards: ReadonlyMap<Digest, string>
      /** Against the previous plan; worked out when iterated over. */
      readonly changes: Iterable<Difference>
      readonly text: PlanText
      /** Retirements that this plan carries out, or that had nothing left to do. */
      readonly usedUp: readonly Name[]
      /** Instructions found impossible, by `subjectOf`. */
      readonly refused: ReadonlyMap<string, string>
      readonly events: readonly PoolEvent[]
    }
  | {
      readonly kind: 'hold'
      readonly reasons: readonly Reason[]
      /** When to decide again if nothing is heard before; null: only with news. */
      readonly nextAt: EpochMs | null
      /** To be handed back in the next situation: since when a change waits for company. */
      readonly noticed: EpochMs | null
      readonly usedUp: readonly Name[]
      readonly refused: ReadonlyMap<string, string>
      /** What would happen, and what is remarkable about what is seen. */
      readonly events: readonly PoolEvent[]
    }

/** Of one step of one pool. */
export interface PoolEvent {
  readonly pool: string
  readonly event: Event
}

const reasonsMax = 1_000
/** How long the first plan of all waits for pools, so that it holds every name; then it goes without them. */
const patienceMs = 5_000
const none: ReadonlyMap<string, string> = new Map()

export function decide(input: Decision): Decided {
  const first = assess(input)
  const { retire, freeze } = first.instructions
  const refused = retire.size === 0 || freeze !== undefined ? none : refuseRetirements(input, first.instructions)
  if (refused.size === 0) return decideAssessed(input, first, none)
  const known = new Map([...input.refused, ...refused])
  return decideAssessed(input, assess({ ...input, refused: known }), refused)
}

function decideAssessed(input: Decision, assessment: Assessment, refused: ReadonlyMap<string, string>): Decided {
  const { now, noticed, compiled } = input
  const { instructions } = assessment
  const hold = (
    text: string,
    nextAt: EpochMs | null,
    since: EpochMs | null = null,
    usedUp: readonly Name[] = [],
  ): Decided => ({
    kind: 'hold',
    reasons: [{ subject: 'plan', text }, ...reasonsOf(input, assessment)],
    nextAt: earliest([nextAt, instructions.expires]),
    noticed: since,
    usedUp,
    refused,
    events: eventsOf(assessment),
  })

  if (instructions.freeze !== undefined)
    return hold(`frozen by ${instructions.freeze.author}: ${instructions.freeze.reason}`, null)
  const balances = [...assessment.balances.values()]
  const alone = earliest(balances.map(({ nextAt }) => nextAt))
  const patient = (Math.min(input.since, now) + patienceMs) as EpochMs
  if (input.previous === null && now < patient && balances.some(({ kind }) => kind === 'wait'))
    return hold('the first plan waits for the first verdicts', earliest([patient, alone]))
  const gone = goneAlready(input, instructions.retire)
  if (!assessment.differs && assessment.rebuild.length === 0) return hold('nothing changed', alone)
  if (!assessment.urgent) {
    const since = noticed === null || noticed > now ? now : noticed
    const due = (since + compiled.policy.coalesceMs) as EpochMs
    if (now < due) return hold('a change waits for company', earliest([due, alone]), since)
  }

  const generation = after(input.above, input.previous?.head.generation ?? genesis)
  if (generation > greatestGeneration)
    return hold(`generation ${input.above} is the greatest there can be: see docs/operating.md`, alone)
  const tally = newTally()
  const built = buildShards(input, assessment, generation, tally)
  const entriesDiffer = tally.changed + tally.added + tally.retired > 0 || input.rebase !== null
  if (!assessment.differs && !entriesDiffer) return hold('nothing changed', alone, null, gone)
  if (input.previous === null && tally.added === 0) return hold('no endpoint can be answered yet', alone)
  return publishable(input, assessment, { generation, tally, ...built }, refused)
}

interface Built {
  readonly shards: readonly Digest[]
  readonly newShards: ReadonlyMap<Digest, string>
}

function buildShards(input: Decision, assessment: Assessment, generation: Generation, tally: Tally): Built {
  const { previous, compiled } = input
  const { shardCount, instructions, full } = assessment
  const { rollback, pinned, retire } = instructions
  const rebase = input.rebase !== null
  const repeated = rollback && repeatedBy(input, rollback.action.to)
  const frame = { generation, rebase, pinned, retire, revive: !repeated, tally }
  const before = previous === null ? () => [] : linesByShard(previous, shardCount)
  if (repeated) {
    const old = wantedByRollback(repeated, shardCount)
    const build = { ...frame, answer: answerAgain(repeated, previous) }
    return collect(input, assessment, (index) => buildShard(build, old(index), before(index)), before)
  }
  const answers = answersOf(input, assessment)
  const build = { ...frame, ...answers }
  if (full) {
    const wanted = (index: number) => compiled.inShard(index, shardCount)
    return collect(input, assessment, (index) => buildShard(build, wanted(index), before(index)), before)
  }
  // Names are added only where everything is looked at; so here the endpoints need not be put in order.
  const find = (name: Name) => compiled.policy.endpoints.get(name)
  return collect(input, assessment, (index) => rebuildShard(build, find, before(index)), before)
}

/** Builds what has to be built, and names it; `build` gives null for a shard that stays as it is. */
function collect(
  { previous }: Decision,
  { shardCount, rebuild }: Assessment,
  build: (index: number) => readonly string[] | null,
  before: (index: number) => readonly string[],
): Built {
  const sameCount = previous?.head.shards.length === shardCount
  const shards: Digest[] = sameCount ? [...(previous?.head.shards ?? [])] : new Array(shardCount)
  const newShards = new Map<Digest, string>()
  for (const index of rebuild) {
    const built = build(index)
    if (built === null && sameCount) continue
    const text = shardText(built ?? before(index))
    const digest = digestOf(text)
    if (shards[index] === digest) continue
    shards[index] = digest
    newShards.set(digest, text)
  }
  return { shards, newShards }
}

/** What an endpoint should answer, by the policy and the pools; undefined while that cannot be said. */
function answersOf(
  input: Decision,
  { balances, pools }: Assessment,
): Required<Pick<Build<Endpoint>, 'answer' | 'isAnswer'>> {
  const { compiled, previous } = input
  const { policy } = compiled
  const byPool = new Map<string, string>()
  const waiting = new Set([...balances].filter(([, result]) => result.kind === 'wait').map(([pool]) => pool))
  const isLive = (name: Name) => {
    const line = previous && lineOf(previous.shard(shardOf(name, previous.head.shards.length)), name)
    return typeof line === 'string' && !isRetiredLine(line)
  }
  const cannotEnd = (endpoint: Endpoint) => {
    const { name, from } = compiled.endOf(endpoint)
    return from.kind === 'pool' && waiting.has(from.pool) && !isLive(name)
  }
  const answer = (endpoint: Endpoint): string | undefined => {
    const { ttl, from } = endpoint
    if (from.kind === 'addresses') return answerText({ kind: 'addresses', ttl, addresses: from.addresses })
    if (from.kind === 'alias') {
      if (waiting.size > 0 && cannotEnd(endpoint)) return undefined
      return answerText({ kind: 'alias', ttl, target: from.of })
    }
    if (waiting.has(from.pool)) return undefined
    const key = `${ttl} ${from.pool}`
    const known = byPool.get(key)
    if (known !== undefined) return known
    const pool = policy.pools.get(from.pool)
    const state = pools[from.pool]
    assert(pool !== undefined && state !== undefined, `expected pool ${from.pool} to have a state, found none`)
    const addresses = weightsOf(pool, state)
    assert(isNonEmpty(addresses), `expected pool ${from.pool} to answer some address, found none`)
    const text = answerText({ kind: 'addresses', ttl, addresses })
    byPool.set(key, text)
    return text
  }
  return { answer, isAnswer }
}

/** For an endpoint with one address of its own: most are such, and most do not change. */
function isAnswer({ ttl, from }: Endpoint, line: string, at: number): boolean {
  if (from.kind !== 'addresses' || from.addresses.length !== 1) return false
  const { address, weight } = from.addresses[0]
  const addressAt = line.length - address.length - digitsOf(weight) - 1
  return (
    addressAt === at + digitsOf(ttl) + ' addresses '.length &&
    line.startsWith(address, addressAt) &&
    line.startsWith(' addresses ', addressAt - ' addresses '.length) &&
    numberAt(line, at) === ttl &&
    numberAt(line, addressAt + address.length + 1) === weight
  )
}

/** The decimal number that stands there; a text that is no answer gives a number that is none. */
function numberAt(line: string, at: number): number {
  let value = 0
  for (let i = at; i < line.length; i++) {
    const digit = line.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}

function digitsOf(value: number): number {
  let digits = 1
  for (let rest = value; rest >= 10; rest /= 10) digits++
  return digits
}

/** Names to be retired that are already, or that no plan has: there is nothing left to do. */
function goneAlready({ previous }: Decision, retire: ReadonlySet<Name>): readonly Name[] {
  if (previous === null) return []
  return [...retire].filter((name) => {
    const line = lineOf(previous.shard(shardOf(name, previous.head.shards.length)), name)
    return line === undefined || isRetiredLine(line)
  })
}

function publishable(
  input: Decision,
  assessment: Assessment,
  made: Built & { readonly generation: Generation; readonly tally: Tally },
  refused: ReadonlyMap<string, string>,
): Decided {
  const { previous, now, compiled } = input
  const { instructions } = assessment
  const { tally, generation, newShards } = made
  const { rollback, pinned, retire } = instructions
  const repeated = rollback && repeatedBy(input, rollback.action.to)
  const pools = repeated ? rolledBackPools(input, repeated, assessment.pools, now) : assessment.pools
  const head: PlanHead = {
    generation,
    parent: previous?.head.generation ?? genesis,
    at: now,
    author: input.author,
    policy: rollback === undefined ? compiled.policy.digest : (previous?.head.policy ?? compiled.policy.digest),
    ...(rollback === undefined ? {} : { rolledBackTo: rollback.action.to }),
    ...(pinned.size === 0 ? {} : { pinned: [...pinned].sort() }),
    shards: made.shards,
    pools,
    blast: {
      namesChanged: tally.changed,
      namesAdded: tally.added,
      namesRetired: tally.retired,
      namesTotal: (previous?.head.blast.namesTotal ?? 0) + tally.added - tally.retired,
      capacityRemoved: capacityRemoved(compiled, previous?.head.pools ?? {}, pools),
      ttlMax: tally.ttlMax,
    },
    reasons: [...reasonsOf(input, assessment), ...keptReasons(input, assessment, tally)].slice(0, reasonsMax),
  }
  const text: PlanText = {
    head,
    shard(index) {
      const digest = head.shards[index]
      const made = digest === undefined ? undefined : newShards.get(digest)
      if (made !== undefined) return made
      assert(previous !== null, `expected shard ${index} of plan ${generation} to exist, found none`)
      return previous.shard(index)
    },
  }
  return {
    kind: 'plan',
    head,
    newShards,
    changes: { [Symbol.iterator]: () => differencesOf(previous, text) },
    text,
    usedUp: [...retire],
    refused,
    events: eventsOf(assessment),
  }
}

const eventsOf = ({ balances }: Assessment): readonly PoolEvent[] =>
  [...balances].flatMap(([pool, result]) =>
    result.kind === 'state' ? result.events.map((event) => ({ pool, event })) : [],
  )

/** Greatest share of any pool that answers less than before. */
function capacityRemoved(
  { policy }: Compiled,
  before: Readonly<Record<string, PoolState>>,
  next: Readonly<Record<string, PoolState>>,
): number {
  let greatest = 0
  for (const pool of policy.pools.values()) {
    const from = before[pool.id]
    const to = next[pool.id]
    if (from === undefined || to === undefined || from === to) continue
    let total = 0
    let lost = 0
    for (const { id, capacity } of pool.targets) {
      if (to.targets[id]?.kind !== 'new') total += capacity
      lost += capacity * Math.max(0, shareOf(from.targets[id]) - shareOf(to.targets[id]))
    }
    greatest = Math.max(greatest, lost / Math.max(total, Number.MIN_VALUE))
  }
  return greatest
}

/** What matters first: the whole plan, then operators' instructions, then pools and targets. */
function reasonsOf(input: Decision, { instructions, balances }: Assessment): readonly Reason[] {
  const reasons: Reason[] = []
  if (input.rebase !== null) reasons.push({ subject: 'plan', text: `every name is issued anew: ${input.rebase}` })
  reasons.push(...instructions.reasons)
  for (const result of balances.values()) reasons.push(...result.reasons)
  return reasons.slice(0, reasonsMax)
}

const keptText = 'kept: the policy no longer has it; retire it by name to give it up'

/** Names that live on without a policy: found in what was built, remembered for the rest. */
function keptReasons({ previous, compiled }: Decision, assessment: Assessment, tally: Tally): readonly Reason[] {
  const { full, instructions } = assessment
  const names = new Set(tally.keptNames)
  if (!full)
    for (const { subject, text } of previous?.head.reasons ?? []) if (text === keptText) names.add(subject as Name)
  return [...names]
    .filter((name) => !compiled.policy.endpoints.has(name) && !instructions.retire.has(name))
    .map((name) => ({ subject: name, text: keptText }))
}

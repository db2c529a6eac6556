/**
 * Some endpoints of one zone, brought to what the plan says: look, fence, write if what was seen is
 * still there, look again. The looking again is the looking of the next round, so success is never
 * taken from an answer code, and an unanswered write needs no rule of its own: the next look shows
 * our marker (done), a newer one (superseded), or neither (again).
 *
 * Looking is done as cheaply as the authority allows: it confirms many names at once that already
 * stand as wanted; a name that was seen in the plan before is assumed to stand as that plan had it,
 * since the write is conditional on exactly that, fenced on exactly that, and turned down otherwise;
 * only the others are read.
 */
import { assert } from '../base/assert.ts'
import type { Generation } from '../model/generation.ts'
import { markerFor } from '../model/marker.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Zone } from '../model/policy.ts'
import type { Change, Provider, Published, Reading, WriteOutcome } from '../providers/provider.ts'
import type { World } from '../world/world.ts'
import { trace } from './events.ts'
import { fence, nothingAt, publishedAs } from './fence.ts'
import { unwritable } from './writer.ts'

export type Target =
  | { readonly kind: 'stands' }
  | { readonly kind: 'missing'; readonly why: string }
  /** It will not come by itself. */
  | { readonly kind: 'blocked'; readonly why: string }

export interface BatchPorts {
  readonly world: World
  readonly zone: Zone
  readonly provider: Provider
  /** The plan worked from. */
  readonly plan: Generation
  readonly owner: string
  adopt(name: Name): boolean
  /** Whether an enactor is known to have published this name. */
  ours(entry: PlanEntry): boolean
  /** Whether this plan is still the newest, as the store says now. @throws StoreOutage */
  isNewest(): Promise<boolean>
  /** Null when this enactor may write; otherwise why not yet. Absent: any number may at once. @throws StoreOutage */
  mayWrite?(): Promise<string | null>
  /** Whether an alias may be pointed there. @throws StoreOutage */
  target(name: Name): Promise<Target>
  /** Why a write would take away more than its plan accounts for; null: it does not. */
  unexplained?(entry: PlanEntry, published: Published): string | null
  /** What stands there if nobody touched it since it was seen; null if that is not known. */
  before?(entry: PlanEntry): Published | null
  /** Read everything, times to live too, which confirming does not compare. */
  readonly exact?: boolean
  /** Nobody else seems to be at work here: write on what is assumed without asking first whether it is done. */
  readonly alone?: boolean
}

/** How an endpoint was left. */
export type Settled =
  /** Seen published: found so, or written and read back. */
  | { readonly kind: 'seen'; readonly entry: PlanEntry; readonly how: 'found' | 'applied' | 'repaired' }
  /** Seen published under a generation that this plan cannot replace. */
  | { readonly kind: 'newer'; readonly entry: PlanEntry; readonly generation: Generation }
  /** Trying again will not help by itself. */
  | {
      readonly kind: 'blocked'
      readonly entry: PlanEntry
      /** Somebody else's. */
      readonly foreign: boolean
      /** What gets in the way does not make it somebody else's: without a marker, too, it is repaired as soon as it can be. */
      readonly ours: boolean
      readonly why: string
    }
  /** To be tried again. */
  | { readonly kind: 'waiting'; readonly entry: PlanEntry; readonly outage: boolean; readonly why: string }

export interface BatchResult {
  readonly settled: readonly Settled[]
  /** Head has moved: this plan is no longer to be written. */
  readonly dropped: boolean
  readonly read: number
  readonly written: number
  readonly conflicts: number
}

/** Writes of one name in one batch; who loses more often leaves it to the next pass. */
const mostWrites = 4

type Why = 'newer' | 'create' | 'drift' | 'unmarked' | 'adopt'

interface Attempt {
  readonly entry: PlanEntry
  readonly outcome: WriteOutcome | null
  readonly expected: Published | null
  readonly why: Why
}

/** @throws StoreOutage when the store cannot say whether the plan is still the newest: then nothing more is written. */
export async function enactBatch(ports: BatchPorts, entries: readonly PlanEntry[]): Promise<BatchResult> {
  const fault = unwritable(ports.provider.guarantee)
  if (fault !== null) {
    const settled = entries.map((entry) => blocked(ports, entry, fault))
    return { settled, dropped: false, read: 0, written: 0, conflicts: 0 }
  }
  const settled: Settled[] = []
  let open: readonly Attempt[] = entries.map((entry) => ({ entry, outcome: null, expected: null, why: 'newer' }))
  let read = 0
  let written = 0
  let conflicts = 0
  for (let round = 0; open.length > 0; round++) {
    const { readings, asked } = await look(ports, open)
    read += asked
    const wanted: (Attempt & { readonly expected: Published })[] = []
    for (const [index, attempt] of open.entries()) {
      const judged = judge(ports, attempt, readings[index] as Reading, round === mostWrites)
      if ('kind' in judged) settled.push(judged)
      else wanted.push(judged)
    }
    const ready = await withTargets(ports, explained(ports, wanted, settled), settled)
    if (ready.length === 0 && !settled.some(({ kind }) => kind === 'newer')) break
    if (!(await ports.isNewest())) {
      settled.push(...ready.map(({ entry }) => waiting(entry, 'a newer plan has been published')))
      return { settled, dropped: true, read, written, conflicts }
    }
    if (ready.length === 0) break
    const held = (await ports.mayWrite?.()) ?? null
    if (held !== null) {
      settled.push(...ready.map(({ entry }) => waiting(entry, held)))
      break
    }
    const changes = ready.map(({ entry, expected }): Change => {
      const { name, answer, since } = entry
      return { name, expected, answer, marker: markerFor(answer, since, ports.owner) }
    })
    const outcomes = await ports.provider.write(ports.zone.name, changes)
    assert(outcomes.length === changes.length, `expected ${changes.length} outcomes, found ${outcomes.length}`)
    written += changes.length
    const again: Attempt[] = []
    for (const [index, attempt] of ready.entries()) {
      const outcome = outcomes[index] as WriteOutcome
      if (outcome.kind === 'conflict') conflicts++
      noteOutcome(ports, attempt.entry.name, outcome)
      if (outcome.kind === 'refused') settled.push(blocked(ports, attempt.entry, outcome.reason))
      else again.push({ ...attempt, outcome })
    }
    open = again
  }
  return { settled, dropped: false, read, written, conflicts }
}

/** What stands at each name, in order, and how many had to be read. */
async function look(
  { provider, zone, owner, before, exact = false, alone = false }: BatchPorts,
  open: readonly Attempt[],
): Promise<{ readings: readonly Reading[]; asked: number }> {
  const readings = new Array<Reading | undefined>(open.length)
  // What is assumed may be the condition of a write; where there are no conditions it has to be read.
  const isConditional = provider.guarantee === 'atomic-conditional'
  const skips = isConditional && alone && open.every(({ entry, outcome }) => outcome === null && before?.(entry))
  if (!exact && !skips && provider.confirm !== undefined) {
    const wanted = open.map(({ entry }) => publishedAs(entry, owner))
    const confirmed = await provider.confirm(zone.name, wanted)
    for (const [index, published] of wanted.entries())
      if (confirmed[index] === true) readings[index] = { kind: 'published', published }
  }
  for (const [index, { entry, outcome }] of open.entries()) {
    if (readings[index] !== undefined || outcome !== null) continue
    const published = isConditional ? (before?.(entry) ?? null) : null
    if (published === null) continue
    // Assumed, not read: good enough to be the condition of a write, and for nothing else.
    const verdict = fence(entry, published, { owner, ours: false, adopt: false })
    if (verdict.kind === 'apply') readings[index] = { kind: 'published', published }
  }
  const unknown = () => [...readings.keys()].filter((index) => readings[index] === undefined)
  if (!exact && provider.confirm !== undefined) {
    // A zone that is new, or lost its data: most names are free, and one question tells of many.
    const fresh = unknown().filter((index) => open[index]?.outcome === null)
    const free = fresh.map((index) => nothingAt((open[index] as Attempt).entry.name))
    const confirmed = free.length === 0 ? [] : await provider.confirm(zone.name, free)
    for (const [place, index] of fresh.entries())
      if (confirmed[place] === true) readings[index] = { kind: 'published', published: free[place] as Published }
  }
  const missing = unknown()
  const names = missing.map((index) => (open[index] as Attempt).entry.name)
  const found = names.length === 0 ? [] : await provider.read(zone.name, names)
  assert(found.length === names.length, `expected ${names.length} readings, found ${found.length}`)
  for (const [place, index] of missing.entries()) readings[index] = found[place]
  return { readings: readings as readonly Reading[], asked: names.length }
}

const waiting = (entry: PlanEntry, why: string, outage = false): Settled => ({ kind: 'waiting', entry, outage, why })
const blocked = ({ ours }: BatchPorts, entry: PlanEntry, why: string): Settled => ({
  kind: 'blocked',
  entry,
  foreign: false,
  ours: ours(entry),
  why,
})

/** What to do about one endpoint on this reading: settled, or to be written under the condition that `expected` still stands. */
function judge(
  ports: BatchPorts,
  attempt: Attempt,
  reading: Reading,
  last: boolean,
): Settled | (Attempt & { readonly expected: Published }) {
  const { entry, outcome } = attempt
  if (reading.kind === 'outage') return waiting(entry, reading.reason, true)
  if (reading.kind === 'unreadable') return blocked(ports, entry, reading.reason)
  const { published } = reading
  const ownership = { owner: ports.owner, ours: ports.ours(entry), adopt: ports.adopt(entry.name) }
  const verdict = fence(entry, published, ownership)
  switch (verdict.kind) {
    case 'current': {
      if (outcome === null || outcome.kind === 'conflict') return { kind: 'seen', entry, how: 'found' }
      return { kind: 'seen', entry, how: noteWritten(ports, attempt) }
    }
    case 'superseded':
      return { kind: 'newer', entry, generation: verdict.by }
    case 'ahead':
      return { kind: 'newer', entry, generation: verdict.generation }
    case 'foreign':
      return { kind: 'blocked', entry, foreign: true, ours: false, why: verdict.reason }
    case 'apply': {
      if (outcome?.kind === 'accepted')
        trace(ports.world, { event: 'enact.unapplied', name: entry.name, zone: ports.zone.name })
      if (last) return givenUp(ports, attempt, published)
      // The first reason is the one that counts: later rounds may find our own half-seen work.
      return { ...attempt, expected: published, why: outcome === null ? verdict.why : attempt.why }
    }
  }
}

/** After so many writes: is there a chance in trying again soon? */
function givenUp(ports: BatchPorts, { entry, outcome, expected }: Attempt, published: Published): Settled {
  if (outcome?.kind === 'accepted')
    return blocked(
      ports,
      entry,
      `expected the authority to carry out what it accepted, found the old records ${mostWrites} times; look for records of other types at ${entry.name}`,
    )
  if (outcome?.kind === 'conflict' && JSON.stringify(expected) === JSON.stringify(published))
    return blocked(
      ports,
      entry,
      `expected the records that were read to be all that stands at ${entry.name}, found that the authority disagrees (${outcome.reason}); look for records of other types there`,
    )
  return waiting(
    entry,
    outcome?.kind === 'unknown' || outcome?.kind === 'conflict' ? outcome.reason : 'still differs',
    outcome?.kind === 'unknown',
  )
}

/** Keeps back what would take away more than its plan accounts for (S5). */
function explained<T extends Attempt & { readonly expected: Published }>(
  ports: BatchPorts,
  wanted: readonly T[],
  settled: Settled[],
): readonly T[] {
  return wanted.filter(({ entry, expected }) => {
    const why = ports.unexplained?.(entry, expected) ?? null
    if (why === null) return true
    trace(ports.world, { event: 'enact.removal_refused', name: entry.name, zone: ports.zone.name, reason: why })
    settled.push(
      blocked(
        ports,
        entry,
        `S5: ${why}; nothing was written: see docs/safety.md, and what plan ${ports.plan} says of it`,
      ),
    )
    return false
  })
}

/** Keeps back aliases whose target does not stand; one question for each target. */
async function withTargets<T extends Attempt>(
  ports: BatchPorts,
  wanted: readonly T[],
  settled: Settled[],
): Promise<readonly T[]> {
  const targets = new Map<Name, Promise<Target>>()
  const ready: T[] = []
  for (const attempt of wanted) {
    const { entry } = attempt
    if (entry.answer.kind !== 'alias') {
      ready.push(attempt)
      continue
    }
    const to = entry.answer.target
    const asked = targets.get(to) ?? ports.target(to)
    targets.set(to, asked)
    const target = await asked
    if (target.kind === 'stands') ready.push(attempt)
    else if (target.kind === 'missing') settled.push(waiting(entry, `waits for its target ${to}: ${target.why}`))
    else settled.push(blocked(ports, entry, `waits for its target ${to}: ${target.why}`))
  }
  return ready
}

function noteWritten({ world, zone, plan }: BatchPorts, { entry, why }: Attempt): 'applied' | 'repaired' {
  const fields = { name: entry.name, zone: zone.name, generation: entry.since, plan, why }
  const repaired = why === 'drift' || why === 'unmarked'
  trace(world, repaired ? { event: 'enact.repaired', ...fields } : { event: 'enact.applied', ...fields })
  return repaired ? 'repaired' : 'applied'
}

function noteOutcome({ world, zone }: BatchPorts, name: Name, outcome: WriteOutcome): void {
  if (outcome.kind === 'accepted') return
  const fields = { name, zone: zone.name, reason: outcome.reason }
  if (outcome.kind === 'conflict') trace(world, { event: 'enact.conflicted', ...fields })
  else if (outcome.kind === 'refused') trace(world, { event: 'enact.refused', ...fields })
  else trace(world, { event: 'enact.unanswered', ...fields })
}

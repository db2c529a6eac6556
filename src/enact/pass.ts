/**
 * One pass over the live endpoints of one zone: those that changed since all of the zone was seen,
 * those found different, and a slice of the others to verify. Addresses first, then aliases.
 *
 * A plan in which nothing changed costs nothing here: a shard that was seen is not even read. A pass
 * that is overtaken by a newer plan ends at once (L2), and what it has seen stays seen, so that even
 * plans that follow each other faster than a pass takes come to an end.
 */

import type { Permits } from '../base/permits.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Published } from '../providers/provider.ts'
import { type BatchPorts, type BatchResult, enactBatch, type Settled } from './batch.ts'
import { trace } from './events.ts'
import { nothingAt, publishedAs } from './fence.ts'
import {
  type Counts,
  completed,
  forgetSeen,
  isOtherHistory,
  isSeen,
  isSeenShard,
  note,
  type ZoneMemory,
} from './memory.ts'
import { liveWaves, rotated } from './order.ts'
import type { PlanView } from './shards.ts'

export const batchSize = 256
/** Batches of one zone under way at once. */
const batchesAtOnce = 4
/** Of so many batches that are verified, one is read in full; a few names always are. */
const partsRead = 8
/** A verified slice in which so many endpoints, and this share of them, had to be repaired means that the authority lost data. */
const lossCount = 16
const lossShare = 0.1

export interface PassPorts extends BatchPorts {
  readonly view: PlanView
  /** Shared by all zones of one authority: a slow zone holds at most `batchesAtOnce` of them. */
  readonly places: Permits
  /** Whether a newer head is known already: a hint, so as not to begin what would be dropped. */
  overtaken(): boolean
}

export interface PassReport {
  /** Every live endpoint of the zone has been seen, save blocked ones. */
  readonly complete: boolean
  readonly dropped: boolean
  /** Why the authority could not be asked, or null. */
  readonly outage: string | null
  readonly written: number
  readonly waiting: number
  /** Endpoints that were not seen published: waiting or blocked. */
  readonly left: readonly Name[]
}

/** @throws StoreOutage, PlanVanished */
export async function livePass(
  ports: PassPorts,
  memory: ZoneMemory,
  counts: Counts,
  verify: readonly PlanEntry[],
): Promise<PassReport> {
  const { view, zone, world } = ports
  const started = world.clock.now()
  if (memory.floor !== null && isOtherHistory(memory.floor, view.plan)) forgetSeen(memory)
  const work = new Work(ports, memory, counts)

  const rechecked = (await Promise.all([...memory.recheck].map((name) => view.entry(name)))).filter(
    (entry): entry is PlanEntry => entry !== undefined && entry.answer.kind !== 'retired',
  )
  const again = new Map([...verify, ...rechecked].map((entry) => [entry.name, entry]))
  const [firstAgain = [], ...laterAgain] = liveWaves([...again.values()])
  memory.verifications++
  const repairedBefore = counts.repaired
  await work.sweep('addresses')
  await work.verify(rotated(firstAgain, world.id))
  await work.sweep('alias')
  for (const wave of laterAgain) await work.verify(rotated(wave, world.id))

  const report = work.report()
  if (report.complete && memory.floor?.generation !== view.plan.generation) {
    completed(memory, view.plan)
    trace(world, { event: 'enact.completed', zone: zone.name, plan: view.plan.generation })
  }
  const repaired = counts.repaired - repairedBefore
  if (repaired >= lossCount && repaired >= verify.length * lossShare) forgetSeen(memory)
  if (work.written > 0 || report.waiting > 0)
    trace(world, {
      event: 'enact.passed',
      zone: zone.name,
      plan: view.plan.generation,
      read: work.read,
      written: work.written,
      waiting: report.waiting,
      ms: world.clock.now() - started,
    })
  return report
}

/** Retired endpoints of one zone, all of them ready to go. @throws StoreOutage, PlanVanished */
export async function retirePass(
  ports: PassPorts,
  memory: ZoneMemory,
  counts: Counts,
  entries: readonly PlanEntry[],
): Promise<PassReport> {
  const work = new Work(ports, memory, counts)
  await work.doAll(entries)
  return work.report()
}

class Work {
  read = 0
  written = 0
  readonly #ports: PassPorts
  readonly #memory: ZoneMemory
  readonly #counts: Counts
  readonly #done = new Set<Name>()
  readonly #left = new Set<Name>()
  #waiting = 0
  /** No trace of another enactor in the latest batch. */
  #alone = false
  #dropped = false
  #outage: string | null = null

  constructor(ports: PassPorts, memory: ZoneMemory, counts: Counts) {
    this.#ports = ports
    this.#memory = memory
    this.#counts = counts
  }

  get #stopped(): boolean {
    return this.#dropped || this.#outage !== null || this.#ports.overtaken()
  }

  report(): PassReport {
    return {
      complete: !this.#stopped && this.#waiting === 0,
      dropped: this.#dropped || this.#ports.overtaken(),
      outage: this.#outage,
      written: this.written,
      waiting: this.#waiting,
      left: [...this.#left],
    }
  }

  /** Every endpoint of this kind that has not been seen as the plan has it. */
  async sweep(kind: 'addresses' | 'alias'): Promise<void> {
    const { view, zone, world } = this.#ports
    const indexes = [...view.plan.shards.keys()].filter((index) => !isSeenShard(this.#memory, view.plan, index))
    let later: PlanEntry[] = []
    const running = new Set<Promise<void>>()
    const start = async (entries: readonly PlanEntry[]) => {
      const batch = this.#batch(entries)
      const tracked = batch.finally(() => running.delete(tracked))
      // A failure is heard where the batch is awaited; until then it must not count as unheard.
      tracked.catch(() => {})
      running.add(tracked)
      if (running.size >= batchesAtOnce) await Promise.race(running)
    }
    for (const index of rotated(indexes, world.id)) {
      if (this.#stopped) break
      const entries = (await view.shard(index)).get(zone.name) ?? []
      const open = entries.filter(
        (entry) => entry.answer.kind === kind && !isSeen(this.#memory, entry) && !this.#done.has(entry.name),
      )
      if (open.length > 0) await this.#recall(index, open)
      later.push(...rotated(open, world.id))
      while (later.length >= batchSize && !this.#stopped) {
        await start(later.slice(0, batchSize))
        later = later.slice(batchSize)
      }
    }
    if (later.length > 0 && !this.#stopped) await start(later)
    await Promise.all(running)
    if (kind === 'alias' && !this.#stopped) await this.#aliasesOfAliases()
  }

  /** What waited only for an alias that stood later in the sweep: once more, while that helps. */
  async #aliasesOfAliases(): Promise<void> {
    for (let before = -1; this.#late.length > 0 && this.#late.length !== before && !this.#stopped; ) {
      const late = this.#late.splice(0)
      before = late.length
      for (const entry of late) this.#done.delete(entry.name)
      this.#waiting -= late.length
      for (const wave of liveWaves(late)) await this.doAll(wave)
    }
  }

  readonly #late: PlanEntry[] = []

  /** Changed endpoints as the plan before had them, null for new ones: what is assumed to stand there now. */
  readonly #before = new Map<Name, PlanEntry | null>()

  async #recall(index: number, open: readonly PlanEntry[]): Promise<void> {
    const { view, zone } = this.#ports
    const { floor, seen, blocked } = this.#memory
    const digest = floor?.shards.length === view.plan.shards.length ? floor.shards[index] : undefined
    const entries = digest === undefined ? undefined : await view.earlier(digest)
    if (entries === undefined) return
    const byName = new Map((entries.get(zone.name) ?? []).map((entry) => [entry.name, entry]))
    for (const { name } of open)
      if (!seen.has(name) && !blocked.has(name)) this.#before.set(name, byName.get(name) ?? null)
  }

  #assumed({ name }: PlanEntry): Published | null {
    const before = this.#before.get(name)
    if (before === undefined) return null
    return before === null ? nothingAt(name) : publishedAs(before, this.#ports.owner)
  }

  /** All of them, a part of each time in full. */
  async verify(entries: readonly PlanEntry[]): Promise<void> {
    for (
      let at = 0, part = this.#memory.verifications;
      at < entries.length && !this.#stopped;
      at += batchSize, part++
    ) {
      const exact = entries.length <= batchSize || part % partsRead === 0
      await this.#batch(entries.slice(at, at + batchSize), exact)
    }
  }

  async doAll(entries: readonly PlanEntry[]): Promise<void> {
    for (let at = 0; at < entries.length && !this.#stopped; at += batchSize)
      await this.#batch(entries.slice(at, at + batchSize))
  }

  async #batch(entries: readonly PlanEntry[], exact = false): Promise<void> {
    const ports = { ...this.#ports, exact, alone: this.#alone, before: (entry: PlanEntry) => this.#assumed(entry) }
    const result = await ports.places.run(() => enactBatch(ports, entries))
    this.#alone = result.conflicts === 0 && !result.settled.some((item) => item.kind === 'seen' && item.how === 'found')
    for (const { name } of entries) {
      this.#done.add(name)
      this.#before.delete(name)
    }
    this.#account(result)
    const noted = note(this.#memory, result.settled)
    const { world } = this.#ports
    for (const { name, why } of noted.blocked) trace(world, { event: 'enact.blocked', name, why })
    for (const name of noted.unblocked) trace(world, { event: 'enact.unblocked', name })
  }

  #account({ settled, dropped, read, written, conflicts }: BatchResult): void {
    this.read += read
    this.written += written
    this.#counts.conflicts += conflicts
    this.#dropped ||= dropped
    let out = 0
    for (const item of settled) {
      if (item.kind === 'waiting' || item.kind === 'blocked') this.#left.add(item.entry.name)
      else this.#left.delete(item.entry.name)
      if (item.kind === 'waiting') {
        this.#waiting++
        if (item.outage) out++
        else if (item.entry.answer.kind === 'alias') this.#late.push(item.entry)
        if (item.outage && out * 2 >= settled.length) this.#outage ??= item.why
        continue
      }
      if (item.kind === 'seen' && item.how === 'applied') this.#counts.applied++
      if (item.kind === 'seen' && item.how === 'repaired') this.#counts.repaired++
      if (item.kind === 'newer') this.#newer(item, dropped)
    }
  }

  /** A newer marker while head stands still: no plan of the store wrote it. */
  #newer({ entry, generation }: Settled & { readonly kind: 'newer' }, dropped: boolean): void {
    const { world, zone, plan } = this.#ports
    const fields = { name: entry.name, zone: zone.name, mine: entry.since, theirs: generation }
    if (dropped) {
      this.#counts.fenced++
      trace(world, { event: 'enact.fenced', ...fields })
      return
    }
    const known = this.#memory.outrun
    if (known !== null && known.plan === plan && known.by >= generation) return
    this.#counts.fenced++
    this.#memory.outrun = { by: generation, plan }
    trace(world, { event: 'enact.outrun', ...fields })
  }
}

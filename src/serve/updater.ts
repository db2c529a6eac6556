/**
 * Updates one after another, onto the disk together, and only then into the table and back to their senders.
 *
 * While the disk is busy with one transaction the next updates gather, and are then judged each on top of those before
 * it. What is not on disk is shown to nobody: not to a query, and not by a refusal that rests on it.
 */
import { describeProblem, isProblem } from '../base/problem.ts'
import type { Message } from '../dns/message.ts'
import { nameToText, type WireName } from '../dns/name.ts'
import { soaFields } from '../dns/rdata.ts'
import { Rcode, rcodeText, Type } from '../dns/types.ts'
import type { Copy, Written, ZoneChange } from './copy.ts'
import type { ServeTrace } from './events.ts'
import { type Table, TableDraft } from './table.ts'
import { applyUpdate, type UpdateResult } from './update.ts'
import type { Zone } from './zone.ts'

export interface Updated {
  readonly rcode: number
  /** Empty with NOERROR. */
  readonly reason: string
  /** The guard that refused, or null. */
  readonly guard: string | null
}

export interface Updater {
  /** Resolves when the update is on disk and is being answered from, or is refused. `key` names the sender in reports. */
  submit(message: Message, key: string): Promise<Updated>
  /** Takes no more, and resolves when nothing is in progress. */
  drain(): Promise<void>
}

/** A transaction takes at most so many updates, and no more once so many names are changed. */
const maxBatch = 256
const maxNames = 2000

interface Waiting {
  readonly message: Message
  readonly key: string
  readonly resolve: (updated: Updated) => void
}

const serverFailure = (reason: string): Updated => ({ rcode: Rcode.SERVFAIL, reason, guard: null })

export function updater(table: Table, copy: Copy, queueLimit: number, trace: ServeTrace): Updater {
  const queue: Waiting[] = []
  let running = false
  let idle: Promise<void> = Promise.resolve()
  let fenced: string | undefined
  let stopping = false

  async function run(): Promise<void> {
    running = true
    while (queue.length > 0) await makeBatch()
    // In the same turn as the look at the queue: who submits after it finds nobody running.
    running = false
  }

  async function makeBatch(): Promise<void> {
    const next = new TableDraft(table)
    const judged: { readonly waiting: Waiting; readonly result: UpdateResult; readonly serial: number }[] = []
    while (judged.length < maxBatch && namesIn(next) < maxNames) {
      const waiting = queue.shift()
      if (waiting === undefined) break
      const result = judge(next, waiting.message)
      if (result.kind === 'accepted' && result.changed) next.absorb(result.draft)
      judged.push({ waiting, result, serial: result.kind === 'accepted' ? serialOf(next, result.zone) : 0 })
    }
    const written = fenced === undefined ? await write(next) : ({ kind: 'fenced', reason: fenced } as const)
    if (written.kind !== 'written') {
      await afterFailure(written, next)
      for (const { waiting } of judged) waiting.resolve(serverFailure(written.reason))
      return
    }
    table.apply(next)
    for (const { waiting, result, serial } of judged) {
      report(waiting, result, serial)
      waiting.resolve(
        result.kind === 'refused'
          ? { rcode: result.rcode, reason: result.reason, guard: result.guard }
          : { rcode: Rcode.NOERROR, reason: '', guard: null },
      )
    }
  }

  /** A mistake of ours on one message must not end the server for everybody. */
  function judge(next: TableDraft, message: Message): UpdateResult {
    try {
      return applyUpdate(next, message)
    } catch (error) {
      trace({
        event: 'serve.failed',
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
        more: 0,
      })
      return { kind: 'refused', rcode: Rcode.SERVFAIL, reason: 'the server could not judge this update', guard: null }
    }
  }

  async function write(next: TableDraft): Promise<Written> {
    const changes: ZoneChange[] = []
    for (const [apex, draft] of next.drafts)
      if (draft.changes.size > 0) changes.push({ before: table.zones.get(apex) as Zone, draft })
    return changes.length === 0 ? { kind: 'written' } : await copy.write(changes)
  }

  async function afterFailure(written: Exclude<Written, { kind: 'written' }>, next: TableDraft): Promise<void> {
    if (written.kind === 'fenced') {
      if (fenced === undefined) trace({ event: 'serve.fenced', reason: written.reason })
      fenced = written.reason
      return
    }
    trace({ event: 'serve.disk_failed', reason: written.reason })
    if (written.kind === 'failed') return
    for (const apex of next.drafts.keys()) {
      const zone = await copy.read(apex).catch((error: unknown) => String(error))
      if (typeof zone === 'string' || isProblem(zone))
        trace({ event: 'serve.disk_failed', reason: typeof zone === 'string' ? zone : describeProblem(zone) })
      else table.add(zone)
    }
  }

  function report({ message, key }: Waiting, result: UpdateResult, serial: number): void {
    const zone = nameToText(message.questions[0]?.name as WireName)
    if (result.kind === 'refused') {
      const { rcode, reason, guard } = result
      trace({ event: 'serve.update_refused', zone, key, rcode: rcodeText(rcode), reason, guard: guard ?? '' })
    } else if (result.changed)
      trace({
        event: 'serve.updated',
        zone,
        key,
        serial,
        names: result.draft.drafts.get(result.zone)?.changes.size ?? 0,
      })
  }

  return {
    submit(message, key) {
      if (stopping) return Promise.resolve(serverFailure('the server is stopping'))
      if (queue.length >= queueLimit)
        return Promise.resolve(
          serverFailure(`expected at most ${queueLimit} updates waiting for the disk, found as many`),
        )
      const { promise, resolve } = Promise.withResolvers<Updated>()
      queue.push({ message, key, resolve })
      if (!running) idle = run()
      return promise
    },
    async drain() {
      stopping = true
      while (running) await idle
    },
  }
}

function namesIn(draft: TableDraft): number {
  let names = 0
  for (const { changes } of draft.drafts.values()) names += changes.size
  return names
}

function serialOf(draft: TableDraft, apex: WireName): number {
  const soa = draft.zoneOf(apex)?.get(apex)?.get(Type.SOA)
  return (soa && soaFields(soa.datas[0] as Uint8Array)?.serial) ?? 0
}

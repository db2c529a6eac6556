/**
 * Retirements, for all zones together and last of all: they begin when every live endpoint of the plan
 * has been seen published, so that no alias of the plan leads to a name that goes; aliases go before
 * what they lead to; and a name that a stuck alias still leads to stays.
 */
import { type Name, zoneOf } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Published } from '../providers/provider.ts'
import { type Counts, completed, forgetSeen, isOtherHistory, isSeen, isSeenShard, type ZoneMemory } from './memory.ts'
import { retirementWaves } from './order.ts'
import { batchSize, type PassPorts, type PassReport, retirePass } from './pass.ts'
import type { PlanView } from './shards.ts'

export interface RetirePorts {
  readonly view: PlanView
  /** By zone; undefined for a zone that the configuration no longer has. */
  passPorts(zone: Name): PassPorts | undefined
  readonly zones: { has(zone: Name): boolean }
  /** Names that could not be written, and that are ours: they may still lead where the old plan had them lead. */
  readonly stuck: readonly Name[]
}

/** Reading more of them than this costs too much: then nothing is retired until they are mended. */
const mostStuck = 1_000

const idle: PassReport = { complete: true, dropped: false, outage: null, written: 0, waiting: 0, left: [] }

/** @throws StoreOutage, PlanVanished */
export async function retireAll(
  ports: RetirePorts,
  memory: ZoneMemory,
  counts: Counts,
  verify: readonly PlanEntry[],
): Promise<PassReport> {
  const { view } = ports
  if (memory.floor !== null && isOtherHistory(memory.floor, view.plan)) forgetSeen(memory)
  const entries = new Map(verify.map((entry) => [entry.name, entry]))
  for (const index of view.plan.shards.keys()) {
    if (isSeenShard(memory, view.plan, index)) continue
    for (const [zone, list] of await view.shard(index)) {
      if (zone === null) continue
      for (const entry of list)
        if (entry.answer.kind === 'retired' && !isSeen(memory, entry)) entries.set(entry.name, entry)
    }
  }
  const report = entries.size === 0 ? idle : await inOrder(ports, memory, counts, [...entries.values()])
  if (report.complete && memory.floor?.generation !== view.plan.generation) completed(memory, view.plan)
  return report
}

async function inOrder(
  ports: RetirePorts,
  memory: ZoneMemory,
  counts: Counts,
  entries: readonly PlanEntry[],
): Promise<PassReport> {
  if (ports.stuck.length > mostStuck) return { ...idle, complete: false, waiting: entries.length }
  const names = entries.map(({ name }) => name)
  const published = await readAll(ports, [...names, ...ports.stuck])
  if (typeof published === 'string') return { ...idle, complete: false, outage: published, waiting: entries.length }
  const ledTo = new Set<Name>()
  for (const name of ports.stuck) {
    const alias = published.get(name)?.alias
    if (alias) ledTo.add(alias)
  }
  const items = entries.map((entry) => ({ entry, name: entry.name, leadsTo: published.get(entry.name)?.alias ?? null }))
  const total = { ...idle, left: [] as Name[] }
  for (const wave of retirementWaves(items)) {
    const byZone = new Map<Name, PlanEntry[]>()
    for (const { entry, name, leadsTo } of wave) {
      const zone = zoneOf(name, ports.zones)
      if (zone === undefined) continue
      if (ledTo.has(name)) {
        total.left.push(name)
        total.waiting++
        if (leadsTo !== null) ledTo.add(leadsTo)
        continue
      }
      const list = byZone.get(zone)
      if (list === undefined) byZone.set(zone, [entry])
      else list.push(entry)
    }
    const reports = await Promise.all(
      [...byZone].map(async ([zone, list]) => {
        const pass = ports.passPorts(zone)
        return pass === undefined ? idle : await retirePass(pass, memory, counts, list)
      }),
    )
    for (const report of reports) {
      total.dropped ||= report.dropped
      total.outage ??= report.outage
      total.written += report.written
      total.waiting += report.waiting
      total.left.push(...report.left)
    }
    for (const { name, leadsTo } of wave) if (leadsTo !== null && total.left.includes(name)) ledTo.add(leadsTo)
    if (total.dropped || total.outage !== null) break
  }
  return { ...total, complete: !total.dropped && total.outage === null && total.waiting === 0 }
}

/** What stands at these names, or why that cannot be read. */
async function readAll(ports: RetirePorts, names: readonly Name[]): Promise<Map<Name, Published> | string> {
  const byZone = new Map<Name, Name[]>()
  for (const name of new Set(names)) {
    const zone = zoneOf(name, ports.zones)
    if (zone === undefined) continue
    const list = byZone.get(zone)
    if (list === undefined) byZone.set(zone, [name])
    else list.push(name)
  }
  const published = new Map<Name, Published>()
  for (const [zone, list] of byZone) {
    const pass = ports.passPorts(zone)
    if (pass === undefined) continue
    for (let at = 0; at < list.length; at += batchSize) {
      for (const reading of await pass.provider.read(zone, list.slice(at, at + batchSize))) {
        if (reading.kind === 'outage') return reading.reason
        if (reading.kind === 'published') published.set(reading.published.name, reading.published)
      }
    }
  }
  return published
}

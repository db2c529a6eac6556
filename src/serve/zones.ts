/** From the disk and the settings to the table that is answered from, when the server starts. */
import { describeProblem, type Problem, problem } from '../base/problem.ts'
import { masterLine } from '../dns/master.ts'
import { fold, nameFromText, nameToText, type WireName } from '../dns/name.ts'
import { Type } from '../dns/types.ts'
import type { Copy, StoredZone, Written } from './copy.ts'
import type { ServeTrace } from './events.ts'
import { zoneOf } from './load.ts'
import type { ServedZone } from './settings.ts'
import { areProblems, settingsLines, settingsRecords, settle, withSerial } from './settle.ts'
import { Table } from './table.ts'
import { applyUpdate } from './update.ts'
import { hasData } from './zone.ts'

/**
 * A zone on disk is served whatever the settings say; settings that do not fit it are reported and left out. A zone that
 * is not on disk is made from the settings, with `firstSerial`, which has to be above what secondaries may have seen.
 */
export async function fillTable(
  zones: readonly ServedZone[],
  copy: Copy,
  firstSerial: number,
  trace: ServeTrace,
): Promise<Table | Problem> {
  const table = new Table()
  const apexes = new Set<WireName>()
  // All that is stored first: whether a name of one zone answers may depend on another zone.
  for (const { name } of zones) {
    const apex = fold(nameFromText(name) as WireName)
    apexes.add(apex)
    const stored = copy.stored.get(apex)
    if (stored !== undefined) table.add(stored.zone)
  }
  for (const settings of zones) {
    const apex = fold(nameFromText(settings.name) as WireName)
    const stored = copy.stored.get(apex)
    if (stored !== undefined) await bringIn(table, stored, settings, copy, trace)
    else {
      const failed = await make(table, apex, settings, copy, firstSerial, trace)
      if (failed !== undefined) return failed
    }
  }
  for (const apex of copy.stored.keys())
    if (!apexes.has(apex)) trace({ event: 'serve.zone_unused', zone: nameToText(apex) })
  return table
}

async function make(
  table: Table,
  apex: WireName,
  settings: ServedZone,
  copy: Copy,
  firstSerial: number,
  trace: ServeTrace,
): Promise<Problem | undefined> {
  const records = settingsRecords(settings)
  if (areProblems(records)) return records[0]
  const zone = zoneOf(apex, withSerial(records, firstSerial), settings.recordsAt ?? `zone ${settings.name}`)
  if (!('nodes' in zone)) return zone[0]
  const written = await copy.make(zone, settingsLines(records))
  if (written.kind !== 'written') return notWritten(settings, written)
  table.add(zone)
  trace({ event: 'serve.zone_made', zone: settings.name, records: zone.records })
  return undefined
}

const notWritten = ({ name }: ServedZone, { reason }: Exclude<Written, { kind: 'written' }>): Problem =>
  problem(`zone ${name}`, 'its records on disk', reason, 'mend the disk or the permissions of the server directory')

async function bringIn(
  table: Table,
  stored: StoredZone,
  settings: ServedZone,
  copy: Copy,
  trace: ServeTrace,
): Promise<void> {
  const refuse = (reason: string) => trace({ event: 'serve.settings_refused', zone: settings.name, reason })
  const records = settingsRecords(settings)
  if (areProblems(records)) return refuse(records.map(describeProblem).join('\n'))
  const alone = zoneOf(stored.zone.apex, records, settings.recordsAt ?? `zone ${settings.name}`)
  if (!('nodes' in alone)) return refuse(alone.map(describeProblem).join('\n'))
  const lines = settingsLines(records)
  if (lines.join('\n') === [...stored.settings].sort().join('\n')) return
  const { message, brought, skipped } = settle(stored.zone, stored.settings, records)
  const result = message === null ? null : applyUpdate(table, message)
  if (result?.kind === 'refused') return refuse(result.reason)
  const draft = result?.draft.drafts.get(stored.zone.apex)
  const missing = brought.find(({ name, type, data }) => {
    const rrset = (draft ?? stored.zone).get(fold(name))?.get(type)
    return type !== Type.SOA && (rrset === undefined || !hasData(rrset, data))
  })
  if (missing !== undefined)
    return refuse(`${masterLine(missing)}: there are other records at this name, of which one is an alias`)
  const written = await copy.write([{ before: stored.zone, draft, settings: lines }])
  if (written.kind !== 'written') return refuse(written.reason)
  if (result !== null) table.apply(result.draft)
  trace({ event: 'serve.settings_applied', zone: settings.name, changes: message?.authorities.length ?? 0, skipped })
}

/**
 * The server without its sockets and its disk: zones from its own copy, brought up to the settings, and what answers,
 * updates and transfers need. Clock and chance are given.
 */
import { isProblem, type Problem } from '../base/problem.ts'
import { fold, nameFromText, type WireName } from '../dns/name.ts'
import type { Copy } from './copy.ts'
import type { ServeTrace } from './events.ts'
import { allowedKeys, type RequestContext } from './request.ts'
import { defaultLimits, type ServerSettings } from './settings.ts'
import { Stats } from './stats.ts'
import { updater } from './updater.ts'
import { fillTable } from './zones.ts'

export interface Surroundings {
  /** Since 1970, as signatures have it. */
  readonly nowSeconds: () => number
  /** On a clock that never goes back. */
  readonly nowMs: () => number
  /** Whole numbers 0 <= n < 2^32, to shuffle records with. */
  readonly random: () => number
}

export async function openService(
  settings: Pick<ServerSettings, 'zones' | 'keys' | 'limits'>,
  copy: Copy,
  { nowSeconds, nowMs, random }: Surroundings,
  trace: ServeTrace,
): Promise<RequestContext | Problem> {
  const table = await fillTable(settings.zones, copy, nowSeconds(), trace)
  if (isProblem(table)) return table
  const limits = { ...defaultLimits, ...settings.limits }
  return {
    table,
    updater: updater(table, copy, limits.updateQueue, trace),
    keys: settings.keys,
    allowed: allowedKeys(settings.zones, ({ name }) => fold(nameFromText(name) as WireName)),
    limits,
    stats: new Stats(nowMs),
    trace,
    random,
    nowSeconds,
    nowMs,
  }
}

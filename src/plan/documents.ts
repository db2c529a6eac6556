/** Documents that other programs wrote and that the planner rests on: believed only if they are well-formed. */

import { isProblem } from '../base/problem.ts'
import { type Generation, genesis, toGeneration } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import { parseName } from '../model/name.ts'
import type { Observation, TargetSeen } from '../model/observation.ts'
import { type Override, subjectOf } from '../model/override.ts'
import type { EnactorProgress } from '../model/progress.ts'
import type { Demand, Report, TargetReport } from '../model/report.ts'

type Loose<T> = { readonly [K in keyof T]?: unknown }

const isText = (value: unknown): value is string => typeof value === 'string'
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isName = (value: unknown): boolean => {
  const name = isText(value) ? parseName(value) : undefined
  return name !== undefined && !isProblem(name) && name === value
}

/** An override, if it is whole and stands under the key of its subject. */
export function readOverride(key: string, value: Uint8Array): Override | undefined {
  const found = keys.override.decode(value) as Loose<Override> | undefined
  if (found === undefined || !isAction(found.action)) return undefined
  const whole =
    isText(found.author) &&
    isText(found.reason) &&
    isTime(found.at) &&
    (found.expires === null || isTime(found.expires)) &&
    Array.isArray(found.breaks) &&
    found.breaks.every(isText)
  if (!whole) return undefined
  const override = found as Override
  return key === keys.override.prefix + subjectOf(override.action) ? override : undefined
}

function isAction(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const action = value as { readonly [key: string]: unknown }
  switch (action.kind) {
    case 'drain':
      return isText(action.pool) && isText(action.target)
    case 'evacuate':
      return isText(action.site) && (action.pool === null || isText(action.pool))
    case 'maintenance':
      return isText(action.site) && isTime(action.from) && isTime(action.until)
    case 'pin':
    case 'retire':
      return isName(action.name)
    case 'rollback':
      return typeof action.to === 'number' && toGeneration(action.to) !== undefined
    case 'freeze':
      return true
    default:
      return false
  }
}

/** An observation; results in it that are none are left out. */
export function readObservation(key: string, value: Uint8Array): Observation | undefined {
  const found = keys.observation.decode(value) as Loose<Observation> | undefined
  if (found === undefined || !isText(found.pool) || !isText(found.prober)) return undefined
  if (key !== keys.observation.key(found.pool, found.prober)) return undefined
  if (!isTime(found.at) || typeof found.targets !== 'object' || found.targets === null) return undefined
  const targets = Object.entries(found.targets).filter((entry): entry is [string, TargetSeen] => isSeen(entry[1]))
  return { ...(found as Observation), targets: Object.fromEntries(targets) }
}

function isSeen(value: unknown): value is TargetSeen {
  if (typeof value !== 'object' || value === null) return false
  const seen = value as Loose<TargetSeen>
  return isText(seen.history) && /^[pf]{0,32}$/.test(seen.history) && isTime(seen.at) && isText(seen.detail)
}

/** What agents said of a pool; statements in it that are none are left out. */
export function readReport(key: string, value: Uint8Array): Report | undefined {
  const found = keys.report.decode(value) as Loose<Report> | undefined
  if (found === undefined || !isText(found.pool) || !isText(found.intake)) return undefined
  if (key !== keys.report.key(found.pool, found.intake)) return undefined
  if (!isTime(found.at) || typeof found.targets !== 'object' || found.targets === null) return undefined
  const targets = Object.entries(found.targets).filter((entry): entry is [string, TargetReport] => isReport(entry[1]))
  return { ...(found as Report), targets: Object.fromEntries(targets) }
}

function isReport(value: unknown): value is TargetReport {
  if (typeof value !== 'object' || value === null) return false
  const { state, at, agent, detail } = value as Loose<TargetReport>
  return (
    (state === 'ready' || state === 'not-ready' || state === 'pending') && isTime(at) && isText(agent) && isText(detail)
  )
}

/** A demand, whatever its value: what cannot be is ignored where it would count, with the reason. */
export function readDemand(key: string, value: Uint8Array): Demand | undefined {
  const found = keys.demand.decode(value) as Loose<Demand> | undefined
  if (found === undefined || !isText(found.pool) || !isText(found.by) || !isText(found.source)) return undefined
  if (key !== keys.demand.key(found.pool, found.by) || !isTime(found.at)) return undefined
  return { ...(found as Demand), value: typeof found.value === 'number' ? found.value : Number.NaN }
}

/** What of an enactor's progress bears on planning. */
export type Ahead = Pick<EnactorProgress, 'working' | 'enacted' | 'ahead'>

export function readAhead(value: Uint8Array): Ahead | undefined {
  const found = keys.progress.decode(value) as Loose<EnactorProgress> | undefined
  const working = generationIn(found?.working)
  if (working === undefined) return undefined
  return { working, enacted: generationIn(found?.enacted) ?? working, ahead: generationIn(found?.ahead) ?? null }
}

const generationIn = (value: unknown): Generation | undefined =>
  typeof value === 'number' ? toGeneration(value) : undefined

/**
 * The generation that the next plan has to go above because markers say so, or null. A report about an
 * older plan than the head counts only if it is above the head: otherwise the head has answered it.
 */
export function aheadOf(progress: Iterable<Pick<Ahead, 'working' | 'ahead'>>, head: Generation): Generation | null {
  let highest: Generation | null = null
  for (const { working, ahead } of progress)
    if (ahead !== null && (ahead > head || working >= head) && (highest === null || ahead > highest)) highest = ahead
  return highest
}

/** The highest generation that any enactor speaks of: once plans were lost, no number may stand for a second one. */
export function spokenOf(progress: Iterable<Ahead>): Generation {
  let highest = genesis
  for (const { working, enacted } of progress) highest = Math.max(highest, working, enacted) as Generation
  return highest
}

/**
 * What a planner would decide now, worked out here by the same pure functions and written nowhere: for
 * `plan`, `--dry-run`, and to refuse an impossible instruction before it is given.
 */
import { problem } from '../base/problem.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { type Override, type OverrideAction, subjectOf } from '../model/override.ts'
import type { PlanText } from '../model/plan.ts'
import type { Policy } from '../model/policy.ts'
import { check, type Violation } from '../plan/check.ts'
import { compile, isCompiled } from '../plan/compile.ts'
import { type Decided, decide } from '../plan/decide.ts'
import { newestIntact, planGenerations, readHead, readPlan, readShards } from '../store/plans.ts'
import type { Store } from '../store/store.ts'
import type { EpochMs } from '../world/world.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'
import { readDemands, readObservations, readOverrides, readReports } from './read.ts'

export interface Change {
  /** Given besides those in the store, in place of one of the same subject. */
  readonly give?: Override
  readonly takeBack?: OverrideAction
}

export interface Forecast {
  readonly decided: Decided
  /** What the planner's own check would refuse it for. */
  readonly violations: readonly Violation[]
}

export async function forecast(store: Store, policy: Policy, { give, takeBack }: Change = {}): Promise<Forecast> {
  const compiled = compile(policy)
  if (!isCompiled(compiled)) throw new CliFailure(exit.config, compiled)
  const gone = give === undefined ? takeBack : give.action
  const stored = await readOverrides(store)
  const kept = gone === undefined ? stored : stored.filter(({ action }) => subjectOf(action) !== subjectOf(gone))
  const overrides = give === undefined ? kept : [...kept, give]
  const previous = await wholeHead(store)
  const rollingBack = overrides.find(({ action }) => action.kind === 'rollback')?.action
  const now = Date.now() as EpochMs
  const known = previous?.head
  const above = (await planGenerations(store)).at(-1) ?? genesis
  const rollback = rollingBack?.kind === 'rollback' ? await whole(store, rollingBack.to) : null
  const demands = byPool(await readDemands(store))
  const decided = decide({
    compiled,
    observations: byPool(await readObservations(store)),
    reports: byPool(await readReports(store)),
    demands,
    overrides,
    refused: new Map(),
    previous,
    above,
    rebase: null,
    rollback,
    since: known !== undefined && known.policy === policy.digest ? known.at : now,
    // Long ago: what would wait for company is shown now.
    noticed: 0 as EpochMs,
    now,
    author: 'dry run',
  })
  const violations =
    decided.kind === 'hold'
      ? []
      : check({
          compiled,
          above,
          rebase: null,
          previous,
          next: decided.text,
          newShards: decided.newShards,
          overrides,
          demands,
          rollback,
          now,
        })
  return { decided, violations }
}

/** Instructions that may say that they go under the floor. */
const breakers: ReadonlySet<OverrideAction['kind']> = new Set(['rollback', 'drain', 'evacuate', 'maintenance'])

/** Ends the command if a planner would not carry this out, with the rule in the way and, where one may, how to break it. */
export function refuseIfImpossible({ decided, violations }: Forecast, override: Override): void {
  const subject = subjectOf(override.action)
  const why = decided.refused.get(subject)
  if (why !== undefined)
    fail(exit.failed, subject.replace('/', ' '), 'an instruction that can be carried out', why, 'mend that first')
  const problems = violations.map(({ rule, at, expected, found, todo }) => {
    const breakable = rule === 'S5' && breakers.has(override.action.kind)
    const how = breakable ? `${todo}: --break ${rule}` : todo
    return problem(`rule ${rule} (docs/safety.md), ${at}`, expected, found, how)
  })
  if (problems.length > 0) throw new CliFailure(exit.failed, problems)
}

/** The plan that a planner would go on from: the head, or the newest that is whole. */
async function wholeHead(store: Store): Promise<PlanText | null> {
  const head = await readHead(store)
  const found = head.kind === 'head' ? await whole(store, head.head.generation) : null
  return found ?? (await newestIntact(store, await planGenerations(store))) ?? null
}

async function whole(store: Store, generation: Generation): Promise<PlanText | null> {
  const reading = await readPlan(store, generation)
  if (reading.kind !== 'plan') return null
  const text = await readShards(store, reading.plan)
  return text.kind === 'text' ? text.text : null
}

const byPool = <Document extends { readonly pool: string }>(documents: readonly Document[]): Map<string, Document[]> =>
  Map.groupBy(documents, ({ pool }) => pool)

/**
 * Gives an operator's instruction, or takes it back, and sees it through: written to the store, planned
 * by a planner, enacted by an enactor.
 */
import type { Generation } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import { type Override, type OverrideAction, subjectOf } from '../model/override.ts'
import type { PlanHead } from '../model/plan.ts'
import type { Store } from '../store/store.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'
import { readHeadPlan, readProgress, readStatuses } from './read.ts'
import { agoText, durationText } from './text.ts'

/** Writes the override; a later one of the same subject replaces an earlier one. Returns what it replaced. */
export async function giveOverride(store: Store, override: Override): Promise<Override | null> {
  const key = keys.override.key(override.action)
  const before = await store.get(key)
  const replaced = before === undefined ? undefined : keys.override.decode(before.value)
  const commit = await store.commit(
    [{ key, revision: before?.revision ?? (0 as never) }],
    [{ kind: 'put', key, value: keys.override.encode(override) }],
  )
  refuseUnlessCommitted(commit, key)
  return replaced ?? null
}

/** Deletes the override. Returns it, or null if there was none. */
export async function takeBack(store: Store, action: OverrideAction): Promise<Override | null> {
  const key = keys.override.key(action)
  const before = await store.get(key)
  if (before === undefined) return null
  const commit = await store.commit([{ key, revision: before.revision }], [{ kind: 'delete', key }])
  refuseUnlessCommitted(commit, key)
  return keys.override.decode(before.value) ?? null
}

function refuseUnlessCommitted(commit: Awaited<ReturnType<Store['commit']>>, key: string): void {
  if (commit.kind === 'committed') return
  if (commit.kind === 'conflict')
    fail(
      exit.failed,
      key,
      'nobody else to change this override meanwhile',
      'another change of it',
      'look at holdfast status, then try again',
    )
  if (commit.kind === 'refused')
    fail(exit.unreachable, commit.problem.at, commit.problem.expected, commit.problem.found, commit.problem.todo)
  if (commit.kind === 'unknown')
    fail(
      exit.unreachable,
      key,
      'the store to say that it was written',
      commit.reason,
      'look at holdfast status before you try again',
    )
}

export interface Wanted {
  /** Does this plan carry the instruction out? Else: what it waits for, in words, if known. */
  planned(plan: PlanHead): true | string | null | Promise<true | string | null>
  readonly waitMs: number
  /** Called with each new sentence about how far it is. */
  progress(text: string): void
}

export type Effect =
  | { readonly kind: 'enacted'; readonly generation: number; readonly by: string; readonly blocked: readonly string[] }
  | { readonly kind: 'pending'; readonly generation: number | null; readonly why: string }

/** Waits until the newest plan carries it out and some enactor has enacted that plan. */
export async function awaitEffect(store: Store, wanted: Wanted): Promise<Effect> {
  const began = Date.now()
  const until = began + wanted.waitMs
  let told = ''
  const tell = (text: string) => {
    if (text !== told) wanted.progress(text)
    told = text
  }
  let revision = (await store.range(keys.head.prefix, { limit: 1 })).revision
  /** The first generation seen to carry it out: later ones must not make the wait begin anew. */
  let carriedBy: Generation | null = null
  for (;;) {
    const head = await readHeadPlan(store)
    let why: string
    if (head === undefined) why = await noPlanner(store, began, 'there is no plan yet')
    else {
      const planned = await wanted.planned(head)
      if (planned === true) {
        carriedBy ??= head.generation
        const generation = carriedBy
        tell(`generation ${generation} carries it out; waiting for an enactor`)
        const progress = await readProgress(store)
        const done = progress.find(([, document]) => document.enacted >= generation)
        if (done !== undefined)
          return {
            kind: 'enacted',
            generation,
            by: done[0],
            blocked: done[1].blocked.map(({ name, why: reason }) => `${name}: ${reason}`),
          }
        const newest = progress.reduce((last, [, document]) => Math.max(last, document.at), 0)
        why =
          newest === 0
            ? 'no enactor has ever reported: start one with "holdfast up"'
            : Date.now() - newest > staleMs
              ? `the last enactor reported ${agoText(newest, Date.now())}: start one with "holdfast up"`
              : `generation ${generation} is published, and no enactor has finished it: see holdfast status`
      } else why = await noPlanner(store, began, planned ?? `generation ${head.generation} does not carry it out yet`)
    }
    if (carriedBy === null) tell(why)
    const left = until - Date.now()
    if (left <= 0) {
      return { kind: 'pending', generation: head?.generation ?? null, why }
    }
    revision = (await store.watch('', revision, Math.min(left, 500))).revision
  }
}

/** A program that has not reported for this long does not run, as far as anybody can tell. */
export const staleMs = 15_000

/** `since`: what a planner reported before then says nothing about the instruction. */
async function noPlanner(store: Store, since: number, otherwise: string): Promise<string> {
  const planners = (await readStatuses(store)).filter(({ role }) => role === 'planner')
  const newest = planners.reduce((last, { at }) => Math.max(last, at), 0)
  if (newest === 0) return 'no planner has ever reported: start one with "holdfast up"'
  if (Date.now() - newest > staleMs)
    return `no planner has reported for ${durationText(Date.now() - newest)}: start one with "holdfast up"`
  const note = planners.find(({ at }) => at === newest)?.note
  return note === undefined || note === '' || newest < since ? otherwise : `${otherwise} (planner: ${note})`
}

/** "drain web/east", for messages. */
export function instructionText(action: OverrideAction): string {
  const subject = subjectOf(action).replace('/', ' ').replace(/\.$/, '')
  return action.kind === 'rollback' && action.to > 0 ? `${subject} to generation ${action.to}` : subject
}

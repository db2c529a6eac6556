/** `holdfast why NAME`: what a name answers, since when, which targets are in and out, and why. */
import type { Command } from 'commander'
import { isProblem } from '../base/problem.ts'
import { answerText } from '../model/answer.ts'
import { type Name, parseName } from '../model/name.ts'
import { subjectOf } from '../model/override.ts'
import type { PlanEntry, PlanHead } from '../model/plan.ts'
import type { Policy } from '../model/policy.ts'
import { readEntry, readPlan } from '../store/plans.ts'
import type { Store } from '../store/store.ts'
import { answerSaid } from './answer.ts'
import { type Cli, newCommand, type Output, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'
import { shown } from './pin.ts'
import { publishedReader, type Shown } from './published.ts'
import { openConfig, withStore } from './session.ts'
import { planOf, targetText } from './show.ts'
import { isFresh, type Snapshot, takeSnapshot } from './snapshot.ts'
import { overrideRow } from './status.ts'
import { agoText, closest, percentText, someOf, table, timeText } from './text.ts'

export function whyCommand(cli: Cli): Command {
  return newCommand('why', 'What a name answers, since when, which targets are in and out, and why.', [
    ['holdfast why db.example.test', 'follows aliases to their pool'],
  ])
    .argument('<name>', 'an endpoint')
    .action(async (text: string, _options: unknown, self: Command) => {
      const output = outputOf(cli, self)
      const name = parseName(text)
      if (isProblem(name)) throw new CliFailure(exit.usage, [name])
      const config = openConfig(cli, self, { secrets: true })
      const { policy } = config
      const found = await withStore(config, { write: false }, async (store) => {
        const snapshot = await takeSnapshot(store)
        const plan = await planOf(store, 'head')
        const reading = await readEntry(store, plan, name)
        if (reading.kind === 'missing' || reading.kind === 'damaged')
          throw new CliFailure(exit.failed, [reading.problem])
        if (reading.kind === 'absent') return unknownName(policy, name, plan)
        const changed = await readPlan(store, reading.entry.since)
        return {
          snapshot,
          plan,
          entry: reading.entry,
          changedAt: changed.kind === 'plan' ? changed.plan : null,
          chain: await chainOf(store, plan, reading.entry),
        }
      })
      const now = await publishedReader(config)(found.chain.map((entry) => entry.name))
      const document = documentOf(found, now, policy)
      output.print(document, () => explain(found, now, policy, output))
    })
}

interface Found {
  readonly snapshot: Snapshot
  readonly plan: PlanHead
  readonly entry: PlanEntry
  /** The plan in which the answer last changed, if it is still kept. */
  readonly changedAt: PlanHead | null
  /** The name, and the aliases that it leads through. */
  readonly chain: readonly PlanEntry[]
}

function unknownName(policy: Policy, name: Name, plan: PlanHead): never {
  const known = [...policy.endpoints.keys()].slice(0, 10_000).map(shown)
  if (policy.endpoints.has(name))
    return fail(
      exit.failed,
      shown(name),
      `a name of generation ${plan.generation}`,
      'a name of the configuration that no plan contains yet',
      'holdfast status says whether a planner runs; holdfast plan what it would do',
    )
  const meant = closest(shown(name), known)
  return fail(
    exit.failed,
    shown(name),
    `an endpoint: ${someOf(known)}`,
    'no endpoint of this name',
    meant === undefined ? 'name one of them' : `did you mean ${meant}?`,
  )
}

async function chainOf(store: Store, plan: PlanHead, first: PlanEntry): Promise<PlanEntry[]> {
  const chain = [first]
  for (let last = first; last.answer.kind === 'alias' && chain.length < 16; ) {
    const next = await readEntry(store, plan, last.answer.target)
    if (next.kind !== 'entry') break
    last = next.entry
    chain.push(last)
  }
  return chain
}

/** The pool at the end of the chain. */
const poolOf = (found: Found, policy: Policy): string | null => {
  const from = policy.endpoints.get(found.chain.at(-1)?.name ?? found.entry.name)?.from
  return from?.kind === 'pool' ? from.pool : null
}

function documentOf(found: Found, now: readonly Shown[], policy: Policy): object {
  const { snapshot, plan, entry, changedAt } = found
  const pool = poolOf(found, policy)
  return {
    name: entry.name,
    generation: plan.generation,
    since: { generation: entry.since, at: changedAt === null ? null : timeText(changedAt.at) },
    born: entry.born,
    answer: answerText(entry.answer),
    chain: found.chain.map(({ name, since, answer }) => ({ name, since, answer: answerText(answer) })),
    pool: pool === null ? null : { id: pool, ...plan.pools[pool] },
    reasons: reasonsFor(found, pool),
    overrides: overridesFor(found, pool),
    enactors: snapshot.progress.map(([id, { enacted, at, blocked }]) => ({
      id,
      enacted,
      at: timeText(at),
      fresh: isFresh(at, snapshot.at),
      blocked: blocked.filter((one) => one.name === entry.name).map(({ why }) => why),
    })),
    published: now,
  }
}

const reasonsFor = ({ plan, chain }: Found, pool: string | null) =>
  plan.reasons.filter(
    ({ subject }) =>
      subject === 'plan' ||
      chain.some(({ name }) => subject === name) ||
      (pool !== null && (subject === pool || subject.startsWith(`${pool}/`))),
  )

const overridesFor = ({ snapshot, chain }: Found, pool: string | null) =>
  snapshot.overrides.filter(({ action }) => {
    const subject = subjectOf(action)
    if (action.kind === 'freeze' || action.kind === 'rollback') return true
    return (
      chain.some(({ name }) => subject.endsWith(`/${name}`)) || (pool !== null && subject.startsWith(`drain/${pool}/`))
    )
  })

function explain(found: Found, now: readonly Shown[], policy: Policy, { paint }: Output): string {
  const { snapshot, plan, entry, changedAt, chain } = found
  const pool = poolOf(found, policy)
  const at = changedAt === null ? '' : `, ${agoText(changedAt.at, snapshot.at)}`
  const lines = [
    `${paint('bold', shown(entry.name))} ${entry.answer.kind === 'retired' ? 'was given up' : 'answers'} ${describeAnswer(entry)}`,
    `  since generation ${entry.since}${at}; the newest is ${plan.generation}; first named in ${entry.born}`,
    ...chain
      .slice(1)
      .map((next) => `  ${shown(next.name)} answers ${describeAnswer(next)}, since generation ${next.since}`),
  ]
  const state = pool === null ? undefined : plan.pools[pool]
  if (pool !== null && state !== undefined) {
    const open =
      state.failOpenSince === null
        ? ''
        : paint('yellow', ', fail-open: the checks are not believed, all targets answer')
    lines.push('', `${paint('bold', `pool ${pool}`)}  ${percentText(state.capacity)} of its capacity answers${open}`)
    const seen = snapshot.observations.filter((one) => one.pool === pool)
    lines.push(
      table(
        Object.entries(state.targets).map(([id, target]) => {
          const last = seen.map((one) => one.targets[id]).find((one) => one !== undefined)
          const out = ['removed', 'drained', 'evacuated'].includes(target.kind)
          return [
            out ? paint('red', 'out') : paint('green', 'in'),
            id,
            policy.pools
              .get(pool)
              ?.targets.find((one) => one.id === id)
              ?.addresses.join(' ') ?? '',
            target.kind,
            targetText(target, snapshot.at),
            last === undefined ? 'never checked' : `last check ${agoText(last.at, snapshot.at)}: ${last.detail}`,
          ]
        }),
        '  ',
      ),
    )
  }
  const reasons = reasonsFor(found, pool)
  if (reasons.length > 0)
    lines.push(
      '',
      paint('bold', 'reasons of the newest plan'),
      ...reasons.map(({ subject, text }) => `  ${subject}: ${text}`),
    )
  const overrides = overridesFor(found, pool)
  if (overrides.length > 0)
    lines.push(
      '',
      paint('bold', 'overrides in force'),
      table(
        overrides.map((one) => overrideRow(one, snapshot.at)),
        '  ',
      ),
    )
  lines.push('', paint('bold', 'at the authorities, now'))
  for (const one of now)
    lines.push(
      one.kind === 'outage'
        ? `  ${one.authority}  ${shown(one.name)}  ${paint('red', one.reason)}`
        : `  ${one.authority}  ${shown(one.name)}  ${[...one.addresses, ...(one.alias === null ? [] : [`alias ${shown(one.alias as Name)}`])].join(' ') || 'nothing'}  ${markerText(one, chain)}`,
    )
  lines.push('', paint('bold', 'enactors'))
  const rows = snapshot.progress.map(([id, progress]) => [
    id,
    `enacted ${progress.enacted}`,
    isFresh(progress.at, snapshot.at)
      ? agoText(progress.at, snapshot.at)
      : paint('red', `silent: last report ${agoText(progress.at, snapshot.at)}`),
    progress.blocked.find((one) => one.name === entry.name)?.why ?? '',
  ])
  lines.push(rows.length === 0 ? '  none has ever reported' : table(rows, '  '))
  return lines.join('\n')
}

function describeAnswer({ answer }: PlanEntry): string {
  if (answer.kind === 'retired') return 'for good: it answers nothing'
  return `${answer.kind === 'alias' ? 'as an ' : ''}${answerSaid(answer)}`
}

function markerText(one: Extract<Shown, { kind: 'published' }>, chain: readonly PlanEntry[]): string {
  if (one.marker === null) return 'no marker'
  const { generation, owner } = one.marker
  const planned = chain.find(({ name }) => name === one.name)?.since
  const where =
    planned === undefined || generation === planned
      ? ''
      : generation < planned
        ? ` (older than the plan's ${planned})`
        : ` (newer than the plan's ${planned})`
  return `marker g=${generation} of ${owner}${where}`
}

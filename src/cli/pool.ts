/**
 * `holdfast pool`: each target as the detector and the gates have it, the budgets and what has been spent
 * of them, who looks, and what would happen if.
 */
import type { Command } from 'commander'
import { describeGate } from '../health/reasons.ts'
import { type Step, type StepInput, step, type TargetView } from '../health/step.ts'
import type { PoolState, Removal } from '../model/plan.ts'
import type { Policy, Pool } from '../model/policy.ts'
import { ordersOf } from '../plan/assess.ts'
import type { Store } from '../store/store.ts'
import type { EpochMs } from '../world/world.ts'
import { type Cli, durationArgument, newCommand, type Output, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'
import { readDemands, readHeadPlan, readObservations, readOverrides, readReports } from './read.ts'
import { openConfig, withStore } from './session.ts'
import { agoText, bar, closest, count, durationText, padEnd, percentText, someOf, table, timeText } from './text.ts'
import { type Course, roundsMax, whatIf } from './what-if.ts'

interface PoolOptions {
  readonly ifDown?: readonly string[]
  readonly ifSiteDown?: string
  readonly ifUp?: readonly string[]
  readonly ifDrained?: readonly string[]
  readonly ifEvacuated?: string
  readonly for: number
}

const listArgument = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text.split(',').filter((id) => id !== ''),
]

export function poolCommand(cli: Cli): Command {
  return newCommand('pool', 'The targets of a pool: how each is judged, what holds it back, what has been spent.', [
    ['holdfast pool web', 'as it stands'],
    ['holdfast pool web --if-down east,west', 'what would happen if these two failed from now on'],
    ['holdfast pool web --if-site-down rack-2 --for 15m', 'if a whole site failed, for a quarter of an hour'],
    ['holdfast pool web --if-evacuated rack-2', 'if an operator took it out; --if-drained for one target'],
  ])
    .argument('<pool>', 'a pool of the configuration')
    .option('--if-down <targets>', 'suppose that these fail every check from now on', listArgument)
    .option('--if-site-down <site>', 'suppose that every target of this site does')
    .option('--if-up <targets>', 'suppose that these pass every check from now on', listArgument)
    .option('--if-drained <targets>', 'suppose that an operator drained these', listArgument)
    .option('--if-evacuated <site>', 'suppose that an operator evacuated this site')
    .option('--for <time>', 'run so far ahead', durationArgument, 300_000)
    .action(async (id: string, options: PoolOptions, self: Command) => {
      const output = outputOf(cli, self)
      const config = openConfig(cli, self)
      const pool = findPool(config.policy, id)
      const supposed = supposedOf(pool, options)
      await withStore(config, { write: false }, async (store) => {
        const input = await inputOf(store, config.policy, pool, supposed)
        const now = step(input.now)
        const course = supposed === null ? null : whatIf(input.supposed, supposed, options.for)
        output.print(documentOf(pool, input.now, now, course), () => textOf(output, pool, input.now, now, course))
      })
    })
}

export function findPool(policy: Policy, id: string): Pool {
  const pool = policy.pools.get(id)
  if (pool !== undefined) return pool
  const known = [...policy.pools.keys()]
  const meant = closest(id, known)
  const expected = known.length === 0 ? 'a pool, of which the configuration has none' : `a pool: ${someOf(known)}`
  return fail(
    exit.failed,
    id,
    expected,
    'no pool of this name',
    meant === undefined ? 'name one' : `did you mean ${meant}?`,
  )
}

/** A site that some pool has. */
export function findSite(pools: Iterable<Pool>, text: string): string {
  const known = [...new Set([...pools].flatMap(({ targets }) => targets.map(({ site }) => site)))]
  if (known.includes(text)) return text
  const meant = closest(text, known)
  return fail(
    exit.failed,
    text,
    `a site: ${someOf(known)}`,
    'no site of this name',
    meant === undefined ? 'name one of them' : `did you mean ${meant}?`,
  )
}

interface Supposed {
  readonly down: ReadonlySet<string>
  readonly up: ReadonlySet<string>
  readonly drained: ReadonlySet<string>
  readonly evacuated: string | null
}

/** Null if nothing is supposed. */
function supposedOf(pool: Pool, options: PoolOptions): Supposed | null {
  const { ifDown = [], ifSiteDown, ifUp = [], ifDrained = [], ifEvacuated } = options
  const ofSite =
    ifSiteDown === undefined ? [] : pool.targets.filter(({ site }) => site === findSite([pool], ifSiteDown))
  const named = (ids: readonly string[]) => ids.map((id) => findIn(pool, id))
  const down = new Set([...named(ifDown), ...ofSite.map(({ id }) => id)])
  const up = new Set(named(ifUp))
  const drained = new Set(named(ifDrained))
  const evacuated = ifEvacuated === undefined ? null : findSite([pool], ifEvacuated)
  if (down.size + up.size > 0 && pool.check.kind === 'none')
    fail(exit.failed, pool.id, 'a pool with a check', 'check: none', 'suppose a drain or an evacuation instead')
  const both = [...down].find((id) => up.has(id))
  if (both !== undefined)
    fail(exit.usage, both, 'a target that either fails or passes', 'both supposed', 'leave one of the two out')
  return down.size + up.size + drained.size === 0 && evacuated === null ? null : { down, up, drained, evacuated }
}

function findIn(pool: Pool, id: string): string {
  const known = pool.targets.map((target) => target.id)
  if (known.includes(id)) return id
  const meant = closest(id, known)
  return fail(
    exit.failed,
    `${pool.id}/${id}`,
    `a target of the pool: ${someOf(known)}`,
    'no target of this name',
    meant === undefined ? 'name one of them' : `did you mean ${meant}?`,
  )
}

/** What the planner would be given for this pool now, and the same with what is supposed of operators. */
async function inputOf(
  store: Store,
  policy: Policy,
  pool: Pool,
  supposed: Supposed | null,
): Promise<{ readonly now: StepInput; readonly supposed: StepInput }> {
  const [head, overrides, observations, reports, demands] = await Promise.all([
    readHeadPlan(store),
    readOverrides(store),
    readObservations(store),
    readReports(store),
    readDemands(store),
  ])
  const now = Date.now() as EpochMs
  const { drains, evacuations } = ordersOf({ overrides, refused: new Map(), now })(pool.id)
  const input: StepInput = {
    pool,
    previous: head?.pools[pool.id],
    observations: observations.filter((one) => one.pool === pool.id),
    reports: reports.filter((one) => one.pool === pool.id),
    demands: demands.filter((one) => one.pool === pool.id),
    drains,
    evacuations,
    since: head !== undefined && head.policy === policy.digest ? head.at : now,
    now,
  }
  const order = { by: 'somebody', reason: 'supposed', underFloor: false }
  return {
    now: input,
    supposed: {
      ...input,
      drains: new Map([...drains, ...[...(supposed?.drained ?? [])].map((id) => [id, order] as const)]),
      evacuations:
        supposed === null || supposed.evacuated === null
          ? evacuations
          : new Map([...evacuations, [supposed.evacuated, order]]),
    },
  }
}

interface TargetDocument extends TargetView {
  readonly id: string
  readonly site: string
  readonly capacity: number
}

function targetsOf(pool: Pool, result: Step): readonly TargetDocument[] {
  if (result.kind === 'wait') return []
  const views = result.targets()
  return pool.targets.flatMap(({ id, site, capacity }) => {
    const view = views.get(id)
    return view === undefined ? [] : [{ id, site, capacity, ...view }]
  })
}

/** What removals may still take in this window, of the pool and of each site, in units of capacity. */
function budgetsOf(pool: Pool, state: PoolState | undefined, now: EpochMs) {
  const { poolBudget, siteBudget, windowMs } = pool.limits
  const counting = (state?.ledger ?? []).filter(({ at }) => now - at < windowMs)
  const members = pool.targets.filter(({ id }) => (state?.targets[id]?.kind ?? 'new') !== 'new')
  const one = (
    scope: string,
    share: number,
    mine: readonly { readonly capacity: number }[],
    spent: readonly Removal[],
  ) => ({
    scope,
    perWindow: share * sum(mine),
    spent: sum(spent),
    freeAgainAt: spent.length === 0 ? null : Math.max(...spent.map(({ at }) => at)) + windowMs,
  })
  const sites = [...new Set(members.map(({ site }) => site))]
  return [
    one('pool', poolBudget, members, counting),
    ...sites.map((site) =>
      one(
        `site ${site}`,
        siteBudget,
        members.filter((target) => target.site === site),
        counting.filter((removal) => removal.site === site),
      ),
    ),
  ]
}

const sum = (all: readonly { readonly capacity: number }[]): number =>
  all.reduce((total, { capacity }) => total + capacity, 0)

function documentOf(pool: Pool, input: StepInput, result: Step, course: Course | null): object {
  const { previous, now } = input
  return {
    pool: pool.id,
    at: timeText(now),
    capacity: previous?.capacity ?? null,
    failOpenSince: previous?.failOpenSince ?? null,
    freezes: previous?.freezes ?? {},
    sites: previous?.sites ?? {},
    targets: targetsOf(pool, result),
    reasons: result.reasons,
    budgets: budgetsOf(pool, previous, now),
    ledger: previous?.ledger ?? [],
    probers: input.observations.map(({ prober, site, strained, at }) => ({
      prober,
      site: site ?? null,
      strained: strained === true,
      at,
    })),
    demands: input.demands,
    reports: input.reports,
    whatIf:
      course === null
        ? null
        : {
            forMs: course.forMs,
            moments: course.moments,
            capacity: course.end?.state.capacity ?? null,
            targets: course.end === null ? [] : targetsOf(pool, course.end),
          },
  }
}

function textOf({ paint }: Output, pool: Pool, input: StepInput, result: Step, course: Course | null): string {
  const { previous, now, observations, demands } = input
  const lines: string[] = []
  const { limits } = pool
  lines.push(
    `${paint('bold', `pool ${pool.id}`)}  ${count(pool.targets.length, 'target')}, ${
      previous === undefined ? 'in no plan yet' : `${percentText(previous.capacity)} of its capacity answers`
    }${previous?.failOpenSince == null ? '' : paint('yellow', `, fails open since ${timeText(previous.failOpenSince)}`)}`,
  )
  lines.push(...targetLines(targetsOf(pool, result), now, paint))
  const budgets = budgetsOf(pool, previous, now).map(({ scope, perWindow, spent, freeAgainAt }) => [
    `  ${scope}`,
    `${round(perWindow)}, or one target, in ${durationText(limits.windowMs)}`,
    spent === 0
      ? 'nothing spent'
      : `${round(spent)} spent, all free again in ${durationText(Math.max(0, (freeAgainAt ?? now) - now))}`,
  ])
  lines.push(paint('bold', 'budgets for removals'), table(budgets))
  const frozen = Object.entries(previous?.freezes ?? {}).filter(([, at]) => now - at < limits.undoMs)
  for (const [scope, at] of frozen)
    lines.push(
      paint(
        'yellow',
        `  removals stand still ${scope === '' ? 'in the pool' : `in site ${scope}`}: too many went down together ${agoText(at, now)}`,
      ),
    )
  lines.push(paint('bold', 'floor and demand'), `  ${floorText(pool, demands)}`)
  lines.push(
    paint('bold', 'who looks'),
    ...(observations.length === 0 ? ['  no prober has reported'] : []),
    ...observations.map(
      ({ prober, site, strained, at }) =>
        `  ${prober}${site == null ? '' : ` at ${site}`}, ${agoText(at, now)}${strained === true ? paint('yellow', ', mistrusts itself') : ''}`,
    ),
  )
  const said = result.reasons.filter(({ subject }) => subject === pool.id || subject.startsWith(`${pool.id}/site `))
  if (said.length > 0) lines.push(paint('bold', 'also'), ...said.map(({ subject, text }) => `  ${subject} ${text}`))
  if (course !== null) lines.push('', ...courseLines(pool, course, paint))
  return lines.join('\n')
}

function targetLines(targets: readonly TargetDocument[], now: EpochMs, paint: Output['paint']): readonly string[] {
  const rows = targets.map(({ id, site, capacity, share, state, seen, gate, until, heldDownUntil }) => [
    `  ${id}`,
    site,
    String(capacity),
    `${bar(share, 6)} ${padEnd(percentText(share), 5)}`,
    paint(colourOf(state, gate), state),
    [
      seen,
      ...(gate === null ? [] : [`held back by ${gate}: ${describeGate(gate)}${leftText(until, now)}`]),
      ...(heldDownUntil === null ? [] : [`flapped: stays down for ${durationText(heldDownUntil - now)} more`]),
    ].join('; '),
  ])
  return rows.length === 0
    ? ['  waits for its first verdicts']
    : [table([['  target', 'site', 'capacity', 'weight', 'state', 'why'], ...rows])]
}

const leftText = (until: EpochMs | null, now: EpochMs): string =>
  until === null || until <= now ? '' : `, for ${durationText(until - now)} more`

const colourOf = (state: TargetView['state'], gate: string | null) =>
  gate !== null ? 'yellow' : state === 'healthy' ? 'green' : state === 'down' || state === 'removed' ? 'red' : 'yellow'

function floorText({ limits, targets }: Pool, demands: StepInput['demands']): string {
  const whole = sum(targets)
  const share = `${percentText(limits.floor)} of ${round(whole)} always stays; one target may go while half does`
  if (demands.length === 0) return `${share}; no demand is known`
  const greatest = demands.reduce((one, other) => (other.value > one.value ? other : one))
  return `${share}; demand ${round(greatest.value)} (${greatest.source}), which needs ${round(greatest.value / limits.utilization)} at ${percentText(limits.utilization)} use`
}

function courseLines(pool: Pool, { moments, end, forMs }: Course, paint: Output['paint']): readonly string[] {
  const shownMax = 40
  const rows = moments
    .slice(0, shownMax)
    .map(({ afterMs, texts, capacity }) => [
      `  +${durationText(afterMs)}`,
      percentText(capacity),
      texts.length === 0 ? 'weights change' : texts.join('; '),
    ])
  const cut = forMs >= roundsMax * pool.intervalMs ? ` (${count(roundsMax, 'round')} of checks at most)` : ''
  const answering = end === null ? [] : [...end.targets()].filter(([, { share }]) => share > 0).map(([id]) => id)
  return [
    paint('bold', `what would happen, for ${durationText(forMs)}${cut}`),
    ...(rows.length === 0 ? ['  nothing'] : [table([['  after', 'answers', 'what'], ...rows])]),
    ...(moments.length > shownMax ? [`  and ${count(moments.length - shownMax, 'more moment')}: --json has all`] : []),
    end === null
      ? '  at the end it still waits for its first verdicts'
      : `  at the end ${percentText(end.state.capacity)} of the capacity answers: ${someOf(answering, 12)}`,
  ]
}

const round = (capacity: number): string => String(Math.round(capacity * 10) / 10)

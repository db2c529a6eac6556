/** A pool's `limits` in the words of the model, and whether they make sense together. Pure. */
import { type Limits, type Pool, usualLimits } from '../model/policy.ts'
import type { Finding, Path } from './problems.ts'
import type { PoolShape } from './schema.ts'

/** Reports and returns undefined for a duration out of range. */
export type ReadDuration = (text: string, path: Path, least: number, most: number, words: string) => number | undefined

const day = 86_400_000

/** Undefined if something is wrong with it; everything that is, is reported. */
export function readLimits(
  shape: PoolShape['limits'],
  path: Path,
  duration: ReadDuration,
  intervalMs: number,
): Limits | undefined {
  const { window, failOpenDwell, correlationWindow, undo, evacuation, ...shares } = shape
  const { every, healthyFor, ...site } = evacuation
  const upTo = (text: string, key: Path) => duration(text, [...path, ...key], 0, day, 'up to 24h')
  const windowMs = duration(window, [...path, 'window'], 1_000, day, 'from 1s to 24h')
  const failOpenDwellMs = upTo(failOpenDwell, ['failOpenDwell'])
  const correlationWindowMs =
    correlationWindow === undefined
      ? Math.max(usualLimits.correlationWindowMs, 2 * intervalMs)
      : upTo(correlationWindow, ['correlationWindow'])
  const undoMs = undo === undefined ? Math.max(usualLimits.undoMs, correlationWindowMs ?? 0) : upTo(undo, ['undo'])
  const everyMs = upTo(every, ['evacuation', 'every'])
  const healthyMs = upTo(healthyFor, ['evacuation', 'healthyFor'])
  if (windowMs === undefined || failOpenDwellMs === undefined || correlationWindowMs === undefined) return undefined
  if (undoMs === undefined || everyMs === undefined || healthyMs === undefined) return undefined
  return {
    ...shares,
    windowMs,
    failOpenDwellMs,
    correlationWindowMs,
    undoMs,
    evacuation: { ...site, everyMs, healthyMs },
  }
}

/** Fewer targets make up no site: then each is judged by itself. */
const siteMin = 3

/** @param isWhole false if targets were left out, so that nothing is said about their number or sum */
export function* limitFindings(pool: Pool, path: Path, isWhole: boolean): Generator<Finding> {
  const { limits, targets } = pool
  const { evacuation } = limits
  const at = (key: Path, severity: Finding['severity'], expected: string, found: string, todo: string): Finding => ({
    where: [...path, ...key],
    key: false,
    severity,
    expected,
    found,
    todo,
  })
  if (limits.failOpenUntil < limits.failOpenUnder)
    yield at(
      ['limits', 'failOpenUntil'],
      'error',
      `at least failOpenUnder, ${limits.failOpenUnder}`,
      `${limits.failOpenUntil}`,
      'raise it: the checks must be believed again later than they are doubted',
    )
  if (limits.correlationWindowMs < pool.intervalMs)
    yield at(
      ['limits', 'correlationWindow'],
      'error',
      `at least the interval of ${pool.intervalMs}ms`,
      `${limits.correlationWindowMs}ms`,
      'raise it: what one round of checks finds together would count as apart',
    )
  if (limits.undoMs < limits.correlationWindowMs)
    yield at(
      ['limits', 'undo'],
      'error',
      `at least correlationWindow, ${limits.correlationWindowMs}ms`,
      `${limits.undoMs}ms`,
      'raise it: removals would go on before it is known that they belong together',
    )
  if (evacuation.othersFailing >= evacuation.failing)
    yield at(
      ['limits', 'evacuation', 'othersFailing'],
      'error',
      `less than failing, ${evacuation.failing}`,
      `${evacuation.othersFailing}`,
      'lower it: a site is not taken out while the others fail as it does',
    )
  if (evacuation.healthy <= 1 - evacuation.failing + 1e-9)
    yield at(
      ['limits', 'evacuation', 'healthy'],
      'error',
      `more than what passes of a site that is taken out, ${round(1 - evacuation.failing)}`,
      `${evacuation.healthy}`,
      'raise it: the site would come back as it left',
    )
  if (pool.holdMaxMs < pool.holdMs)
    yield at(
      ['holdMax'],
      'error',
      `at least hold, ${pool.holdMs}ms`,
      `${pool.holdMaxMs}ms`,
      'raise it, or lower hold: a target stays down longer each time, not shorter',
    )
  if (isWhole) yield* sizeFindings(pool, at)
  const sizes = new Map<string, number>()
  for (const { site } of targets) sizes.set(site, (sizes.get(site) ?? 0) + 1)
  const small = [...sizes].filter(([, size]) => size < siteMin)
  if (isWhole && pool.check.kind !== 'none' && small.length > 0 && small.length < sizes.size)
    yield at(
      ['targets'],
      'warning',
      `at least ${siteMin} targets in every site, since there are so many in some`,
      small.map(([site, size]) => `${size} in ${site}`).join(', '),
      'add targets there, or know that its targets are judged one by one: only an operator takes such a site out as a whole',
    )
}

type At = (key: Path, severity: Finding['severity'], expected: string, found: string, todo: string) => Finding

function* sizeFindings({ limits, targets, check, demand }: Pool, at: At): Generator<Finding> {
  const total = targets.reduce((sum, target) => sum + target.capacity, 0)
  if (demand?.kind === 'fixed') {
    if (demand.value > total)
      yield at(
        ['demand'],
        'error',
        `at most the capacity of all targets, ${total}`,
        `${demand.value}`,
        'add targets, or correct the demand or the capacities: they are in the same unit',
      )
    else if (demand.value / limits.utilization > total)
      yield at(
        ['demand'],
        'warning',
        `at most ${round(total * limits.utilization)}: the capacity of ${total} used up to ${limits.utilization}`,
        `${demand.value}`,
        'add targets: no check can ever remove one',
      )
  }
  if (check.kind === 'none') return
  const smallest = Math.min(...targets.map(({ capacity }) => capacity))
  const rest = (total - smallest) / total
  if (targets.length === 1)
    yield at(
      ['targets'],
      'warning',
      'at least two targets, so that one can be taken out',
      'one, which its checks can never remove',
      'add a target, or write check: none',
    )
  else if (rest < Math.min(limits.floor, 0.5))
    yield at(
      ['limits', 'floor'],
      'warning',
      `a floor that lets the smallest target go, at most ${rest.toFixed(2)}`,
      `${limits.floor}`,
      'lower the floor or add targets: no check can ever remove one',
    )
  else if (targets.length > 2 && limits.floor === 1)
    yield at(
      ['limits', 'floor'],
      'warning',
      'a floor under 1',
      '1, which never lets a second target go',
      'lower the floor',
    )
}

const round = (value: number): number => Math.round(value * 1000) / 1000

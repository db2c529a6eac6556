/**
 * The second opinion: whether a plan may follow the last one. Independent of how plans are made (it
 * shares only the index of the policy and the reading of differences), so a mistake must be made twice
 * to be published. What is found is told by rule, as in docs/safety.md.
 */
import type { Digest } from '../base/bytes.ts'
import { digestOf } from '../base/bytes.ts'
import { answerText, parseAnswerText } from '../model/answer.ts'
import { type Generation, genesis } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import { inForce, type Override } from '../model/override.ts'
import { lineOf, type PlanText, shardLines, shardOf } from '../model/plan.ts'
import type { Endpoint } from '../model/policy.ts'
import type { Demand } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { type CapacityChange, checkCapacity, expectedAnswer } from './check-capacity.ts'
import { type Compiled, longestAliasChain } from './compile.ts'
import { answerOf, type Difference, differencesOf, isRetiredLine, nameOf } from './difference.ts'

export interface Violation {
  /**
   * `S1` forward, `S2` never empty, `S3` whole, `S4` a way back, `S5` not all at once; `policy`: not
   * what policy and pools say; `override`: against an operator's instruction; `blast`: wrongly counted.
   */
  readonly rule: 'S1' | 'S2' | 'S3' | 'S4' | 'S5' | 'policy' | 'override' | 'blast'
  /** A name, a `pool/target`, or `plan`. */
  readonly at: string
  readonly expected: string
  readonly found: string
  readonly todo: string
}

export interface CheckInput {
  readonly compiled: Compiled
  /** As for `decide`: what the new generation must be above. */
  readonly above: Generation
  readonly rebase: string | null
  /** With every shard that differs from the next plan's; all of them where a name is retired. */
  readonly previous: PlanText | null
  readonly next: PlanText
  readonly newShards: ReadonlyMap<Digest, string>
  readonly overrides: readonly Override[]
  /** By pool. */
  readonly demands: ReadonlyMap<string, readonly Demand[]>
  /** The plan that a rollback in force names. */
  readonly rollback: PlanText | null
  readonly now: EpochMs
}

export const violationsMax = 100

export type Report = (rule: Violation['rule'], at: string, expected: string, found: string, todo?: string) => void

/** Nothing, if the plan may be published; else what is wrong with it, at most `violationsMax` findings. */
export function check(input: CheckInput): readonly Violation[] {
  const violations: Violation[] = []
  const report: Report = (rule, at, expected, found, todo = 'this plan is not published; report it as a bug') => {
    if (violations.length < violationsMax) violations.push({ rule, at, expected, found, todo })
  }
  const overrides = input.overrides.filter((override) => inForce(override, input.now))
  checkFrame(input, overrides, report)
  if (checkShards(input, report)) checkEntries(input, overrides, report)
  return violations
}

function checkFrame({ previous, next, above, now }: CheckInput, overrides: readonly Override[], report: Report): void {
  const { head } = next
  const parent = previous?.head.generation ?? genesis
  if (head.generation <= Math.max(above, parent))
    report('S1', 'plan', `a generation above ${Math.max(above, parent)}`, `${head.generation}`)
  if (head.parent !== parent) report('S4', 'plan', `parent ${parent}`, `parent ${head.parent}`)
  if (head.at !== now) report('policy', 'plan', `made at ${now}`, `made at ${head.at}`)
  const freeze = overrides.find(({ action }) => action.kind === 'freeze')
  if (freeze !== undefined) report('override', 'plan', `no plan: frozen by ${freeze.author}`, 'a plan', 'thaw first')
}

/** S3: each new shard is what its digest says, in order, and holds the names that belong there. */
function checkShards({ previous, next, newShards, rebase }: CheckInput, report: Report): boolean {
  const { shards, generation } = next.head
  const before = previous?.head.shards ?? []
  let whole = shards.length > 0 && (shards.length & (shards.length - 1)) === 0
  if (!whole) report('S3', 'plan', 'a power of two of shards', `${shards.length}`)
  for (const [index, digest] of shards.entries()) {
    if (before.length === shards.length && before[index] === digest) {
      if (rebase !== null && previous?.shard(index) !== '')
        report('S1', `shard ${index}`, 'every entry issued anew', 'the shard of the plan before')
      continue
    }
    const text = newShards.get(digest)
    const at = `shard ${index}`
    if (text === undefined || digestOf(text) !== digest) {
      report('S3', at, `a new shard with digest ${digest}`, text === undefined ? 'none' : `digest ${digestOf(text)}`)
      whole = false
      continue
    }
    const wrong = wrongLine(text, index, shards.length, rebase === null ? null : generation)
    if (wrong === undefined) continue
    report(wrong.rule, at, wrong.expected, wrong.line)
    whole = false
  }
  return whole
}

/** The first line that does not belong there, found in the text as it lies: no list of lines is made. */
function wrongLine(text: string, index: number, shardCount: number, since: Generation | null) {
  let last = ''
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start)
    const space = text.indexOf(' ', start)
    const name = text.slice(start, Math.max(start, Math.min(space, end))) as Name
    const line = text.slice(start, end)
    if (end < 0 || space < 0 || space > end || shardOf(name, shardCount) !== index || name <= last)
      return {
        rule: 'S3' as const,
        expected: `names of this shard, each once and in order, after ${last || 'the start'}`,
        line,
      }
    if (since !== null && !text.startsWith(`${since} `, space + 1))
      return { rule: 'S1' as const, expected: `every entry issued anew as ${since}`, line }
    last = name
    start = end + 1
  }
  return undefined
}

function checkEntries(input: CheckInput, overrides: readonly Override[], report: Report): void {
  const { previous, next, compiled } = input
  const names = namedBy(overrides)
  // An instruction that was refused is no violation; a rollback that nobody ordered is one.
  const { rolledBackTo } = next.head
  const rollback = rolledBackTo === names.rollback ? repeatedPlan(input, rolledBackTo) : null
  if (rolledBackTo !== undefined && rollback === null)
    report('override', 'plan', `a rollback to ${rolledBackTo} in force, and that plan at hand`, 'none')
  const pinnedText = [...names.pinned].sort().join(' ')
  if ((next.head.pinned ?? []).join(' ') !== pinnedText)
    report('override', 'plan', `pinned ${pinnedText || 'nothing'}`, (next.head.pinned ?? []).join(' ') || 'nothing')

  const lookup = lookupIn(next)
  const capacity: CapacityChange[] = []
  const seen = new Set<string>()
  const changedOf = new Map<string, Set<Name>>()
  const retired: Name[] = []
  const counts = { changed: 0, added: 0, retired: 0 }
  for (const difference of differencesOf(previous, next)) {
    const { name, after } = difference
    checkSince(difference, input, report)
    if (after === null) continue
    const text = answerOf(after)
    const was = difference.before === null ? null : answerOf(difference.before)
    if (was === text) continue
    const endpoint = compiled.policy.endpoints.get(name)
    const lived = was !== null && was !== retiredText
    if (text === retiredText) {
      counts.retired++
      retired.push(name)
      if (!lived || !names.retire.has(name) || endpoint !== undefined || rollback !== null)
        report('S2', name, 'an instruction to retire it, and no endpoint in the policy', 'retired', 'retire it by name')
      continue
    }
    if (lived) counts.changed++
    else counts.added++
    if (lived && names.pinned.has(name)) report('override', name, `pinned: ${was}`, text, 'unpin it first')
    if (!isAnswer(name, text, endpoint, input, rollback, report)) continue
    const target = aliasTarget(text)
    if (target !== undefined) checkAlias(name, target, lookup, report)
    if (endpoint?.from.kind !== 'pool') continue
    const { pool } = endpoint.from
    const ofPool = changedOf.get(pool) ?? new Set<Name>()
    changedOf.set(pool, ofPool.add(name))
    const pair = `${pool} ${was} ${text}`
    const [before, answer] = lived && !seen.has(pair) ? [parseAnswerText(was), parseAnswerText(text)] : []
    seen.add(pair)
    if (before !== undefined && answer !== undefined) capacity.push({ pool, name, before, after: answer })
  }
  checkUnreferenced(retired, next, report)
  checkBlast(input, counts, report)
  checkCapacity(input, overrides, capacity, report)
  if (rollback === null) checkFollowers(input, changedOf, names.pinned, lookup, report)
}

/** Once the plan before repeats an old one, its own answers are what to repeat. */
function repeatedPlan({ previous, rollback }: CheckInput, to: Generation | undefined): PlanText | null {
  if (to === undefined) return null
  if (previous?.head.rolledBackTo === to) return previous
  return rollback?.head.generation === to ? rollback : null
}

function namedBy(overrides: readonly Override[]) {
  const names = { pinned: new Set<Name>(), retire: new Set<Name>(), rollback: undefined as Generation | undefined }
  for (const { action } of overrides) {
    if (action.kind === 'pin') names.pinned.add(action.name)
    if (action.kind === 'retire') names.retire.add(action.name)
    if (action.kind === 'rollback') names.rollback = action.to
  }
  return names
}

const retiredText = '0 retired'

/** S1 and S2 of one name: it does not vanish, its `since` rises when its answer changes and only then. */
function checkSince({ name, before, after }: Difference, { next, rebase }: CheckInput, report: Report): void {
  if (after === null) {
    report('S2', name, `kept or retired: ${before}`, 'nothing', 'names never vanish')
    return
  }
  const { generation } = next.head
  const text = answerOf(after)
  const revived = before !== null && isRetiredLine(before) && text !== retiredText
  const born = before === null || revived ? `${generation}` : bornIn(before)
  if (after !== `${name} ${generation} ${born} ${text}`)
    report('S1', name, `changed in ${generation}, born in ${born}`, after)
  if (before !== null && answerOf(before) === text && rebase === null)
    report('S1', name, `the same line for the same answer: ${before}`, after)
}

function bornIn(line: string): string {
  const second = line.indexOf(' ', line.indexOf(' ') + 1)
  return line.slice(second + 1, line.indexOf(' ', second + 1))
}

/**
 * What a name answers is what the policy and the pools say, or the old plan in a rollback. False if it
 * is no answer at all, in the one way to write one.
 */
function isAnswer(
  name: Name,
  found: string,
  endpoint: Endpoint | undefined,
  { compiled, next }: CheckInput,
  rollback: PlanText | null,
  report: Report,
): boolean {
  if (rollback !== null) {
    const line = lineOf(rollback.shard(shardOf(name, rollback.head.shards.length)), name)
    const expected = line === undefined ? 'no change: the old plan has no such name' : answerOf(line)
    if (found !== expected) report('override', name, expected, found)
  } else if (endpoint === undefined) report('policy', name, 'no change: the policy has no such name', found)
  else {
    const answer = expectedAnswer(endpoint, compiled.policy, next.head)
    const expected = answer === undefined ? 'no change: its pool has no state' : answerText(answer)
    if (found === expected) return true
    report('policy', name, expected, found)
  }
  const answer = parseAnswerText(found)
  if (answer !== undefined && answerText(answer) === found) return true
  report('S2', name, 'an answer, in the one way to write it', found)
  return false
}

function aliasTarget(text: string): Name | undefined {
  const space = text.lastIndexOf(' ')
  return text.endsWith(' alias', space) ? (text.slice(space + 1) as Name) : undefined
}

/** Lines of a plan by name; a shard that is asked often gets an index. */
function lookupIn(plan: PlanText): (name: Name) => string | undefined {
  const asked = new Map<number, number>()
  const indexes = new Map<number, Map<string, string>>()
  const { length } = plan.head.shards
  return (name) => {
    const shard = shardOf(name, length)
    const times = (asked.get(shard) ?? 0) + 1
    asked.set(shard, times)
    if (times < 8) return lineOf(plan.shard(shard), name)
    let index = indexes.get(shard)
    if (index === undefined) {
      index = new Map(shardLines(plan.shard(shard)).map((line) => [nameOf(line), line]))
      indexes.set(shard, index)
    }
    return index.get(name)
  }
}

/** S2: an alias ends at an endpoint that answers addresses. */
function checkAlias(name: Name, first: Name, lookup: (name: Name) => string | undefined, report: Report): void {
  let target = first
  // Pins and kept names may lengthen what the policy allows.
  for (let length = 0; length <= 4 * longestAliasChain; length++) {
    const line = lookup(target)
    if (line === undefined || isRetiredLine(line)) {
      const found = `${target}, which is ${line === undefined ? 'none' : 'retired'}`
      report('S2', name, 'an alias that ends at a live endpoint', found)
      return
    }
    const next = aliasTarget(line)
    if (next === undefined) return
    target = next
  }
  report(
    'S2',
    name,
    'an alias that ends at an endpoint with addresses',
    `a circle through ${target}`,
    'change one of them',
  )
}

/** S2: nothing live points at a name that goes. */
function checkUnreferenced(retired: readonly Name[], next: PlanText, report: Report): void {
  if (retired.length === 0) return
  const gone = new Set(retired)
  for (const index of next.head.shards.keys())
    for (const line of shardLines(next.shard(index))) {
      const target = line.slice(line.lastIndexOf(' ') + 1) as Name
      if (gone.has(target) && line.endsWith(` alias ${target}`))
        report('S2', target, 'no alias that points at a retired name', line, 'retire or change the alias first')
    }
}

function checkBlast(
  { previous, next }: CheckInput,
  counts: { readonly changed: number; readonly added: number; readonly retired: number },
  report: Report,
): void {
  const { blast } = next.head
  const total = (previous?.head.blast.namesTotal ?? 0) + counts.added - counts.retired
  const expected = `${counts.changed} changed, ${counts.added} added, ${counts.retired} retired of ${total}`
  const found = `${blast.namesChanged} changed, ${blast.namesAdded} added, ${blast.namesRetired} retired of ${blast.namesTotal}`
  if (found !== expected) report('blast', 'plan', expected, found)
}

/** All names of a pool follow it, not only some. */
function checkFollowers(
  { compiled, previous, next }: CheckInput,
  changedOf: ReadonlyMap<string, ReadonlySet<Name>>,
  pinned: ReadonlySet<Name>,
  lookup: (name: Name) => string | undefined,
  report: Report,
): void {
  for (const pool of compiled.policy.pools.keys()) {
    const before = previous?.head.pools[pool]
    const state = next.head.pools[pool]
    // Without a change of its answer there is nothing to follow, and the shards need not be at hand.
    if (before === undefined || state === undefined || JSON.stringify(before.targets) === JSON.stringify(state.targets))
      continue
    const changed = changedOf.get(pool)
    const endpoints = compiled.byPool(pool)
    if (changed?.size === endpoints.length) continue
    const sample = endpoints[0]
    if (sample === undefined || !differs(sample, compiled, previous, next)) continue
    for (const endpoint of endpoints) {
      if (changed?.has(endpoint.name) || pinned.has(endpoint.name)) continue
      const line = lookup(endpoint.name)
      const expected = expectedAnswer(endpoint, compiled.policy, next.head)
      const text = expected === undefined ? undefined : answerText(expected)
      if (line === undefined || answerOf(line) !== text)
        report('S3', endpoint.name, `what its pool answers now: ${text}`, line ?? 'nothing')
    }
  }
}

function differs({ from, ttl }: Endpoint, { policy }: Compiled, previous: PlanText | null, next: PlanText): boolean {
  const at = (plan: PlanText | null) => plan && expectedAnswer({ from, ttl }, policy, plan.head)
  const [before, after] = [at(previous), at(next)]
  return !before || !after || answerText(before) !== answerText(after)
}

/**
 * One shard of the next plan from the same shard of the last one and what is wanted now, line by line:
 * unchanged lines are the same strings, so most of the work is comparing.
 */
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import { isRetiredLine } from './difference.ts'

/** What building found, over all shards. */
export interface Tally {
  changed: number
  added: number
  retired: number
  /** Greatest time to live among the answers that changed, seconds. */
  ttlMax: number
  /** Live names that nobody wants any more and nobody retired. */
  kept: number
  readonly keptNames: Name[]
}

export const newTally = (): Tally => ({ changed: 0, added: 0, retired: 0, ttlMax: 0, kept: 0, keptNames: [] })

const keptNamesMax = 100

export interface Build<Wanted extends { readonly name: Name }> {
  readonly generation: Generation
  /** Every line gets the new generation, changed or not. */
  readonly rebase: boolean
  /** Names whose answer stays as it is, where they have one. */
  readonly pinned: ReadonlySet<Name>
  readonly retire: ReadonlySet<Name>
  /** A retired name lives again if it is wanted. */
  readonly revive: boolean
  /** The text of the answer; undefined where nothing can be said now, so that what is published stays. */
  answer(wanted: Wanted): string | undefined
  /** Whether a line, from `at` to its end, is that answer, as far as this can be told without making the text. */
  isAnswer?(wanted: Wanted, line: string, at: number): boolean
  readonly tally: Tally
}

/** The lines of the new shard, or null if none of them changed. Both lists are sorted by name. */
export function buildShard<Wanted extends { readonly name: Name }>(
  build: Build<Wanted>,
  wanted: readonly Wanted[],
  previous: readonly string[],
): string[] | null {
  const { generation, tally } = build
  const lines: string[] = []
  let changed = false
  let i = 0
  let j = 0
  while (i < wanted.length || j < previous.length) {
    const want = wanted[i]
    const line = previous[j]
    const order = compare(want?.name, line)
    if (order < 0 && want !== undefined) {
      i++
      const answer = build.answer(want)
      if (answer === undefined) continue
      lines.push(`${want.name} ${generation} ${generation} ${answer}`)
      tally.added++
      changed = true
      continue
    }
    const before = line as string
    j++
    if (order === 0) i++
    const next = order === 0 ? wantedLine(build, want as Wanted, before) : keptLine(build, before)
    if (next === before && !build.rebase) lines.push(before)
    else {
      lines.push(next === before ? rebased(before, generation) : next)
      changed = true
    }
  }
  return changed ? lines : null
}

/** The same where no name is added: `find` gives what is wanted of a name, so nothing need be in order. */
export function rebuildShard<Wanted extends { readonly name: Name }>(
  build: Build<Wanted>,
  find: (name: Name) => Wanted | undefined,
  previous: readonly string[],
): string[] | null {
  let lines: string[] | null = null
  for (const [index, before] of previous.entries()) {
    const want = find(before.slice(0, before.indexOf(' ')) as Name)
    const next = want === undefined ? keptLine(build, before) : wantedLine(build, want, before)
    if (next === before && !build.rebase) lines?.push(before)
    else {
      lines ??= previous.slice(0, index)
      lines.push(next === before ? rebased(before, build.generation) : next)
    }
  }
  return lines
}

function wantedLine<Wanted extends { readonly name: Name }>(build: Build<Wanted>, want: Wanted, line: string): string {
  const { generation, tally } = build
  if (build.pinned.size > 0 && build.pinned.has(want.name) && !isRetiredLine(line)) return line
  const bornAt = line.indexOf(' ', want.name.length + 1) + 1
  const answerAt = line.indexOf(' ', bornAt) + 1
  if (build.isAnswer?.(want, line, answerAt) === true) return line
  const answer = build.answer(want)
  if (answer === undefined) return line
  if (line.length - answerAt === answer.length && line.endsWith(answer)) return line
  if (isRetiredLine(line)) {
    if (!build.revive) return line
    tally.added++
    return `${want.name} ${generation} ${generation} ${answer}`
  }
  tally.changed++
  tally.ttlMax = Math.max(tally.ttlMax, Number.parseInt(line.slice(answerAt), 10))
  return `${want.name} ${generation} ${line.slice(bornAt, answerAt)}${answer}`
}

function keptLine<Wanted extends { readonly name: Name }>(build: Build<Wanted>, line: string): string {
  const { generation, tally } = build
  if (isRetiredLine(line)) return line
  const nameEnd = line.indexOf(' ')
  const name = line.slice(0, nameEnd) as Name
  if (!build.retire.has(name)) {
    tally.kept++
    if (tally.keptNames.length < keptNamesMax) tally.keptNames.push(name)
    return line
  }
  const bornAt = line.indexOf(' ', nameEnd + 1) + 1
  const answerAt = line.indexOf(' ', bornAt) + 1
  tally.retired++
  tally.ttlMax = Math.max(tally.ttlMax, Number.parseInt(line.slice(answerAt), 10))
  return `${name} ${generation} ${line.slice(bornAt, answerAt)}0 retired`
}

function rebased(line: string, generation: Generation): string {
  const sinceAt = line.indexOf(' ') + 1
  return `${line.slice(0, sinceAt)}${generation}${line.slice(line.indexOf(' ', sinceAt))}`
}

/** Below 0 if the wanted name comes first or alone; 0 if the line is of that name. */
function compare(name: Name | undefined, line: string | undefined): number {
  if (name === undefined) return 1
  if (line === undefined) return -1
  if (line.charCodeAt(name.length) === 32 && line.startsWith(name)) return 0
  return name < line ? -1 : 1
}

/**
 * Problems of a configuration file: each says where it is (file, line, column, path), so that an
 * editor can jump there, and all of them are reported at once.
 */
import type { NonEmpty } from '../base/nonempty.ts'
import type { Problem } from '../base/problem.ts'

/** Keys and indices from the root of the file, such as `['endpoints', 'www.example.test', 'alias']`. */
export type Path = readonly (string | number)[]

export interface Place {
  /** As the reader named it. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number
}

export interface ConfigProblem extends Problem, Place {
  /** `endpoints.www.example.test.alias`, or empty for the file as a whole. */
  readonly path: string
}

/** What a check found, before it is known where in the file that stands. */
export interface Finding {
  /** A path in the YAML file, or a place in another file. */
  readonly where: Path | Place
  /** Point at the key instead of its value. */
  readonly key?: boolean
  readonly severity: 'error' | 'warning'
  readonly expected: string
  readonly found: string
  readonly todo: string
}

/** More than this many are not listed: somebody who reads them mends the first ones and asks again. */
export const problemsListed = 1_000

export const isPlace = (where: Path | Place): where is Place => !Array.isArray(where)

export function pathText(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('')
}

/** `describeProblem` of it reads `holdfast.yaml:12:7: endpoints.www.example.test.alias: expected …, found …; …`. */
export function configProblem(
  place: Place,
  path: string,
  says: { readonly expected: string; readonly found: string; readonly todo: string },
): ConfigProblem {
  const { file, line, column } = place
  const at = `${file}:${line}:${column}${path === '' ? '' : `: ${path}`}`
  return { kind: 'problem', at, expected: says.expected, found: says.found, todo: says.todo, file, line, column, path }
}

export function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const sorted = [...problems].sort(
    (a, b) => Number(a.file > b.file) - Number(a.file < b.file) || a.line - b.line || a.column - b.column,
  )
  if (sorted.length <= problemsListed) return sorted
  const last = sorted[problemsListed - 1] as ConfigProblem
  const rest = configProblem(last, '', {
    expected: `at most ${problemsListed} problems`,
    found: `${sorted.length - problemsListed + 1} more from here on`,
    todo: 'mend the ones above, then check again',
  })
  return [...sorted.slice(0, problemsListed - 1), rest]
}

export type Problems = NonEmpty<ConfigProblem>

/** A value in words for `found`: short, on one line. */
export function foundText(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') {
    const names = Object.keys(value)
    if (names.length === 0) return 'an empty table'
    return `a table with ${names.slice(0, 3).map(quoted).join(', ')}${names.length > 3 ? ', …' : ''}`
  }
  return String(value)
}

export function quoted(text: string): string {
  const characters = [...text.slice(0, 160)]
  return JSON.stringify(characters.length > 78 ? `${characters.slice(0, 77).join('')}…` : text)
}

/** The nearest of `known` to a misspelt word, if it is near enough to be meant. */
export function didYouMean(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 4)) + 1
  let looked = 0
  for (const candidate of known) {
    if (++looked > 10_000) break
    if (word.length >= 3 && candidate.toLowerCase().startsWith(word.toLowerCase())) return candidate
    if (Math.abs(candidate.length - word.length) >= least) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), least)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Insertions, deletions, substitutions and swaps of neighbours; gives up at `limit`. Words longer than 64 are not compared. */
function editDistance(a: string, b: string, limit: number): number {
  if (a.length > 64 || b.length > 64) return limit
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    before = above
    above = row
  }
  return Math.min(above[b.length] ?? limit, limit)
}

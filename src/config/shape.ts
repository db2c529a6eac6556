/**
 * From whatever stands in the file to its shape: every deviation is a finding, and what is whole is
 * kept, so that the later checks can speak of it in the same report.
 */
import type { z } from 'zod'
import { type Finding, foundText, type Path, quoted } from './problems.ts'
import { type FileShape, fileSchema } from './schema.ts'

export interface Shaped {
  /** Without the entries in `broken`; undefined if not even that could be read. */
  readonly shape: FileShape | undefined
  readonly findings: readonly Finding[]
  /** What was left out, so that nothing is said to be missing that is only misspelt. */
  readonly broken: Broken
}

export type Section = 'keys' | 'zones' | 'pools' | 'endpoints'

/** Names of entries that were left out, by section; `all` if the whole section was. */
export type Broken = Readonly<Record<Section, ReadonlySet<string> | 'all'>> & {
  /** Pools of which only targets were left out. */
  readonly targets: ReadonlySet<string>
}

const sections: readonly Section[] = ['keys', 'zones', 'pools', 'endpoints']

export function shapeOf(value: unknown): Shaped {
  const parsed = fileSchema.safeParse(value)
  const broken: Record<Section, Set<string> | 'all'> & { readonly targets: Set<string> } = {
    keys: new Set(),
    zones: new Set(),
    pools: new Set(),
    endpoints: new Set(),
    targets: new Set(),
  }
  if (parsed.success) return { shape: parsed.data, findings: [], broken }
  const findings = parsed.error.issues.flatMap((issue) => findingsOf(issue, [], value))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { shape: undefined, findings, broken }

  const rest: Record<string, unknown> = Object.assign(Object.create(null), value)
  for (const { where } of findings) {
    const [top, entry, part, target] = where as Path
    // A pool with one bad target, or bad limits, is still worth looking at.
    if (top === 'pools' && part === 'targets' && target !== undefined && forget(rest, entry, 'targets', target)) {
      broken.targets.add(String(entry))
      continue
    }
    if (top === 'pools' && part === 'limits' && forget(rest, entry, 'limits')) continue
    const section = sections.find((name) => name === top)
    if (section !== undefined && typeof entry === 'string') {
      const known = broken[section]
      if (known !== 'all') known.add(entry)
    } else if (section !== undefined) broken[section] = 'all'
    if (section === undefined || typeof entry !== 'string') delete rest[String(top)]
  }
  for (const section of sections) {
    const names = broken[section]
    const entries = rest[section]
    if (names === 'all' || names.size === 0 || typeof entries !== 'object' || entries === null) continue
    const whole: Record<string, unknown> = Object.create(null)
    for (const [name, entry] of Object.entries(entries)) if (!names.has(name)) whole[name] = entry
    rest[section] = whole
  }
  rest.owner ??= 'unnamed'
  if (rest.zones === undefined) {
    rest.zones = {}
    broken.zones = 'all'
  }
  const again = fileSchema.safeParse(rest)
  return { shape: again.success ? again.data : undefined, findings, broken }
}

/** Leaves a part of a pool out, or one entry of that part, in a copy; false where there is no such place. */
function forget(root: Record<string, unknown>, pool: Path[number] | undefined, part: string, entry?: Path[number]) {
  const { pools } = root
  const found = isRecord(pools) ? pools[String(pool)] : undefined
  if (!isRecord(pools) || !isRecord(found)) return false
  const { [part]: entries, ...others } = found
  if (entry === undefined) root.pools = { ...pools, [String(pool)]: others }
  else if (isRecord(entries)) {
    const { [String(entry)]: _, ...kept } = entries
    root.pools = { ...pools, [String(pool)]: { ...others, [part]: kept } }
  } else return false
  return true
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Issue = z.core.$ZodIssue

function findingsOf(issue: Issue, above: Path, root: unknown): Finding[] {
  const where: Path = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'unrecognized_keys') {
    const says = issue.message.split('\n\n')
    return issue.keys.map((key, index) => {
      const [expected = '', todo = 'remove it'] = (says[index] ?? '').split('\n')
      return { where: [...where, key], key: true, severity: 'error', expected, found: quoted(key), todo }
    })
  }
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue, valueAt(root, where))
    if (meant !== undefined) return meant.flatMap((inner) => findingsOf(inner, where, root))
  }
  if (issue.code === 'invalid_key') {
    const [expected = '', todo] = (issue.issues[0]?.message ?? issue.message).split('\n')
    const found = quoted(String(where.at(-1)))
    return [{ where, key: true, severity: 'error', expected, found, todo: todo ?? 'correct the name' }]
  }
  const value = valueAt(root, where)
  const [expected = '', todo] = issue.message.split('\n')
  if (isSecret(where, value)) return [inlineSecret(where, expected)]
  return [
    {
      where,
      key: value === undefined,
      severity: 'error',
      expected,
      found: foundText(value),
      todo: value === undefined ? `add ${quoted(String(where.at(-1) ?? 'it'))}` : (todo ?? 'correct it'),
    },
  ]
}

/** The branch of a union that somebody tried to write: the only one whose outermost type fits. */
function meantBranch(issue: Extract<Issue, { code: 'invalid_union' }>, value: unknown): readonly Issue[] | undefined {
  if (typeof value === 'string' && issue.errors.length > 0) {
    const texts = issue.errors.filter((branch) =>
      branch.every((inner) => inner.path.length === 0 && inner.code === 'invalid_format'),
    )
    return texts.length === 1 ? texts[0] : undefined
  }
  const fitting = issue.errors.filter(
    (branch) => !branch.some((inner) => inner.path.length === 0 && isTypeError(inner)),
  )
  return fitting.length === 1 ? fitting[0] : undefined
}

function isTypeError(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union'
}

/** Text that stands where a secret is spoken of is never repeated. */
function isSecret(where: Path, value: unknown): boolean {
  if (isTextSecret(where) && typeof value !== 'object' && value !== undefined) return true
  if (where.includes('headers') && value !== undefined && typeof value !== 'object') return true
  return where[0] === 'keys' && where.length >= 2 && typeof value !== 'object' && value !== undefined
}

/** Where a secret that is text stands by its source. */
const isTextSecret = (where: Path): boolean =>
  (where[0] === 'intake' && where[1] === 'agents' && where[3] !== 'targets') || where.includes('bearer')

function inlineSecret(where: Path, expected: string): Finding {
  if (where.at(-1) !== 'secret' && where.length > 2)
    return {
      where,
      severity: 'error',
      expected,
      found: 'something else (not shown: it may be a secret)',
      todo: 'correct it',
    }
  return {
    where,
    severity: 'error',
    expected: 'where the secret is: { file: PATH } or { env: HOLDFAST_NAME }',
    found: 'a value (not shown: it may be the secret itself)',
    todo: 'put the secret into a file that only its owner can read, or into the environment; if it was real, replace it',
  }
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

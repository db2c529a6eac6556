/**
 * YAML text as plain values, with the way back from a path to its line and column.
 *
 * YAML 1.2, core schema, one document, and `<<` for merges. Stricter than YAML where a mistake would
 * pass silently: every key once, no tags, no keys that are not plain text. What an alias expands to
 * is bounded, so that a small file cannot become a large value.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type YAMLMap } from 'yaml'
import { type ConfigProblem, configProblem, type Path, type Place, pathText, quoted } from './problems.ts'

export interface YamlText {
  readonly kind: 'yaml'
  /** Strings, numbers, booleans, null, arrays, and objects without a prototype. Aliased parts are one shared object. */
  readonly value: unknown
  /** Keys that stand twice: the first of them is in `value`. */
  readonly problems: readonly ConfigProblem[]
  /** Of the key or value at this path, or of the nearest thing around it that is there. */
  place(path: Path, part: 'key' | 'value'): Place
  /** Of the `n`th line, from 1, of the text that stands there. */
  placeInText(path: Path, n: number): Place
}

/** Values that aliases may add to those written down. */
const aliasedAtMost = 1_000_000
const depthAtMost = 100
const plainTag = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/

export function readYaml(file: string, text: string): YamlText | readonly ConfigProblem[] {
  const lineStarts = startsOfLines(text)
  const placeAt = (offset: number): Place => {
    const at = Math.max(0, Math.min(offset, text.length))
    const line = lastAtMost(lineStarts, at)
    return { file, line: line + 1, column: at - (lineStarts[line] ?? 0) + 1 }
  }
  let document: Document.Parsed
  try {
    // Uniqueness of keys is checked below: the library's check compares every key with every other.
    document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, schema: 'core' })
  } catch (error) {
    return [unparsable(placeAt(0), error)]
  }
  const problems: ConfigProblem[] = []
  for (const error of [...document.errors, ...document.warnings].slice(0, 100)) {
    problems.push(
      configProblem(placeAt(error.pos[0]), '', {
        expected: 'YAML 1.2',
        found: syntaxText(error.code, error.message),
        todo: 'correct the YAML here: the line above is often the cause',
      }),
    )
  }
  if (problems.length > 0) return problems

  const repeated: ConfigProblem[] = []
  const reader = new Reader((offset, path, found, todo, expected, grave) => {
    const list = grave ? problems : repeated
    list.push(configProblem(placeAt(offset), pathText(path), { expected, found, todo }))
  })
  const value = document.contents === null ? undefined : reader.read(document.contents, [])
  if (problems.length > 0) return problems
  const offsetOf = (path: Path, part: 'key' | 'value') =>
    reader.offsetOf(value, path, part) ?? document.contents?.range?.[0] ?? 0
  return {
    kind: 'yaml',
    value,
    problems: repeated,
    place: (path, part) => placeAt(offsetOf(path, part)),
    placeInText(path, n) {
      const offset = offsetOf(path, 'value')
      const { line, column } = placeAt(offset)
      // A block scalar starts on the line after its indicator.
      const block = text[offset] === '|' || text[offset] === '>'
      return { file, line: line + n - (block ? 0 : 1), column: block ? 1 : column }
    },
  }
}

/** The library's own line counter loses lines in text that it cannot read. */
function startsOfLines(text: string): readonly number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

/** The index of the last element that is at most `value`; the first is. */
function lastAtMost(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((sorted[middle] as number) <= value) low = middle
    else high = middle - 1
  }
  return low
}

function unparsable(place: Place, error: unknown): ConfigProblem {
  const deep = error instanceof RangeError
  return configProblem(place, '', {
    expected: deep ? `at most ${depthAtMost} levels of nesting` : 'YAML 1.2',
    found: deep ? 'too many levels for the parser' : 'text that the YAML parser gives up on',
    todo: 'correct the file',
  })
}

/** The parser's own words, save where they quote the text: that might be a secret. */
function syntaxText(code: string, message: string): string {
  const words = message.split('\n')[0] ?? ''
  if (code === 'RESOURCE_EXHAUSTION') return 'more levels of nesting than the parser can follow'
  return code === 'UNEXPECTED_TOKEN' && words.length > 60 ? 'text that does not belong here' : words.slice(0, 120)
}

type Report = (offset: number, path: Path, found: string, todo: string, expected: string, grave: boolean) => void

/** A key of a map with its pair's offsets. */
interface Spot {
  readonly key: number
  readonly value: number
}

class Reader {
  readonly #report: Report
  /** Where each object or array that was made came from. */
  readonly #nodes = new WeakMap<object, Node>()
  readonly #spots = new WeakMap<Node, Map<string, Spot>>()
  /** The latest node of each anchor so far: what an alias means here. */
  readonly #anchors = new Map<string, Node>()
  readonly #aliases = new WeakMap<Node, Node>()
  /** What an anchor's node became, and how many values that is with its own aliases expanded. */
  readonly #anchored = new Map<Node, { readonly value: unknown; readonly size: number }>()
  readonly #open = new Set<Node>()
  #aliased = 0
  /** Values read so far, aliases counted in full. */
  #size = 0

  constructor(report: Report) {
    this.#report = report
  }

  read(node: Node | null, path: Path): unknown {
    this.#size++
    if (node === null) return null
    if (isAlias(node)) return this.#readAlias(node, path)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (node.tag !== undefined && !plainTag.test(node.tag)) {
      this.#fail(node, path, `the tag ${quoted(node.tag)}`, 'a value without a tag', 'remove the tag')
      return null
    }
    if (isScalar(node)) return node.value
    if (path.length > depthAtMost) {
      this.#fail(node, path, 'more', `at most ${depthAtMost} levels of nesting`, 'flatten it')
      return null
    }
    const before = this.#size
    this.#open.add(node)
    let value: unknown = null
    if (isMap(node)) value = this.#readMap(node, path)
    else if (isSeq(node)) {
      const list: unknown[] = []
      this.#nodes.set(list, node)
      for (const [index, item] of node.items.entries()) {
        if (item === null || typeof item === 'object') list.push(this.read(item as Node | null, [...path, index]))
      }
      value = list
    }
    this.#open.delete(node)
    if (node.anchor !== undefined) this.#anchored.set(node, { value, size: this.#size - before + 1 })
    return value
  }

  #readAlias(alias: Node & { source: string }, path: Path): unknown {
    const source = this.#anchors.get(alias.source)
    if (source === undefined || this.#open.has(source)) {
      const found = source === undefined ? 'an alias to no anchor' : 'an alias to a value that contains it'
      this.#fail(
        alias,
        path,
        `${found}, *${alias.source.slice(0, 40)}`,
        'an alias to a value that ended before',
        'write the value out',
      )
      return null
    }
    this.#aliases.set(alias, source)
    if (isScalar(source)) return source.value
    const made = this.#anchored.get(source)
    this.#size += made?.size ?? 0
    this.#aliased += made?.size ?? 0
    if (this.#aliased > aliasedAtMost) {
      if (this.#aliased < Number.POSITIVE_INFINITY)
        this.#fail(
          alias,
          path,
          'more',
          `aliases that add at most ${aliasedAtMost} values`,
          'write the file without them',
        )
      this.#aliased = Number.POSITIVE_INFINITY
      return null
    }
    return made?.value ?? null
  }

  #readMap(node: YAMLMap, path: Path): object {
    const table: Record<string, unknown> = Object.create(null)
    this.#nodes.set(table, node)
    const merges: { readonly node: Node; readonly value: unknown }[] = []
    const first = new Map<string, Node>()
    for (const { key, value } of node.items as { key: unknown; value: Node | null }[]) {
      const name = keyText(key)
      if (name === undefined || name === '__proto__') {
        const found = name ?? 'a key of another kind'
        this.#fail(
          (key as Node | null) ?? node,
          path,
          found,
          'plain text as a key',
          'write a word or name, in quotes if need be',
        )
        continue
      }
      const at = key as Node
      if (name === '<<' && (at as { type?: string }).type === 'PLAIN') {
        if (value !== null) merges.push({ node: value, value: this.read(value, [...path, name]) })
        continue
      }
      const earlier = first.get(name)
      if (earlier !== undefined) {
        this.#report(
          at.range?.[0] ?? 0,
          [...path, name],
          'it again',
          'keep one of the two',
          `${quoted(name)} once`,
          false,
        )
        continue
      }
      first.set(name, at)
      table[name] = this.read(value, [...path, name])
    }
    for (const merge of merges) {
      const sources = Array.isArray(merge.value) ? merge.value : [merge.value]
      for (const source of sources) {
        if (typeof source !== 'object' || source === null || Array.isArray(source)) {
          this.#fail(
            merge.node,
            path,
            'something else',
            'a table, or a list of tables, to merge',
            'point << at a table',
          )
          continue
        }
        for (const [name, value] of Object.entries(source)) if (!(name in table)) table[name] = value
      }
    }
    return table
  }

  #fail(node: Node, path: Path, found: string, expected: string, todo: string): void {
    this.#report(node.range?.[0] ?? 0, path, found, todo, expected, true)
  }

  /** Where a key that is looked for is not there, the key of the table that should have it. */
  offsetOf(root: unknown, path: Path, part: 'key' | 'value'): number | undefined {
    let found: Spot | undefined
    let value = root
    for (const step of path) {
      const node = typeof value === 'object' && value !== null ? this.#nodes.get(value) : undefined
      const spot = node === undefined ? undefined : this.#spotsOf(node).get(String(step))
      if (spot === undefined) break
      found = spot
      value = (value as Record<string, unknown>)[String(step)]
    }
    return found?.[part]
  }

  #spotsOf(node: Node): Map<string, Spot> {
    const known = this.#spots.get(node)
    if (known !== undefined) return known
    const spots = new Map<string, Spot>()
    this.#spots.set(node, spots)
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) {
        const offset = (item as Node | null)?.range?.[0] ?? node.range?.[0] ?? 0
        spots.set(String(index), { key: offset, value: offset })
      }
    } else if (isMap(node)) {
      const merges: Node[] = []
      for (const { key, value } of node.items as { key: Node; value: Node | null }[]) {
        const name = keyText(key)
        const at = key?.range?.[0] ?? 0
        if (name === '<<' && value !== null) merges.push(value)
        if (name !== undefined) spots.set(name, { key: at, value: value?.range?.[0] ?? at })
      }
      for (const merge of merges)
        for (const source of this.#tablesOf(merge))
          for (const [name, spot] of this.#spotsOf(source)) if (!spots.has(name)) spots.set(name, spot)
    }
    return spots
  }

  #tablesOf(node: Node): Node[] {
    const target = isAlias(node) ? this.#aliases.get(node) : node
    if (isSeq(target)) return target.items.flatMap((item) => this.#tablesOf(item as Node))
    return isMap(target) ? [target] : []
  }
}

/** Keys are text as written: `10:` is the name "10", not a number. */
function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined
  return typeof key.value === 'string' ? key.value : (key.source ?? undefined)
}

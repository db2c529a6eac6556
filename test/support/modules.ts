/** Reads the source as a graph of modules: who imports what, with file and line, by text alone. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..', '..')

export interface Import {
  /** As written. */
  readonly specifier: string
  /** Path from the root of the repository, or undefined for a package or a `node:` module. */
  readonly target: string | undefined
  readonly typeOnly: boolean
  /** `import('...')`: when it is needed, not when the module is loaded. */
  readonly lazy: boolean
  /** What is taken from it by name; empty for a default, a namespace or an effect. */
  readonly names: readonly string[]
  readonly line: number
}

export interface Module {
  /** From the root of the repository, such as `src/plan/decide.ts`. */
  readonly path: string
  /** As written. */
  readonly text: string
  /** The same length and lines, with comments and the contents of strings blanked out. */
  readonly code: string
  readonly imports: readonly Import[]
}

export function readModules(folder: string): readonly Module[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => readModule(join(folder, name)))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

function readModule(path: string): Module {
  const text = readFileSync(join(root, path), 'utf8')
  return { path, text, code: blank(text), imports: importsOf(path, text) }
}

/** `import`/`export ... from` and `import('...')`, in comments and strings not. */
export function importsOf(path: string, text: string): readonly Import[] {
  const code = blank(text)
  const found: Import[] = []
  const statement = /\b(?:import|export)\b([^'"`;()]*?)\bfrom\s*(?=['"])|\bimport\s*\(?\s*(?=['"])/g
  for (const match of code.matchAll(statement)) {
    const open = match.index + match[0].length
    const specifier = text.slice(open + 1, text.indexOf(text[open] as string, open + 1))
    const clause = match[1] ?? ''
    const listed = /\{([^}]*)\}/.exec(clause)?.[1]?.split(',') ?? []
    const items = listed.map((item) => item.trim()).filter((item) => item !== '')
    const target = specifier.startsWith('.') ? relative(root, resolve(root, path, '..', specifier)) : undefined
    found.push({
      specifier,
      target,
      typeOnly: /^\s*type\b/.test(clause) || (items.length > 0 && items.every((item) => item.startsWith('type '))),
      lazy: /\($/.test(match[0].trimEnd()),
      names: items.map((item) => item.replace(/^type /, '').replace(/ as .*$/, '')),
      line: lineOf(text, match.index),
    })
  }
  return found
}

export const lineOf = (text: string, index: number): number => text.slice(0, index).split('\n').length

/** Comments, string contents and regular expressions become spaces; lines and positions stay. */
export function blank(text: string): string {
  const out = [...text]
  const wipe = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' '
  }
  /** What is open: a template's expression, with the depth of its braces. */
  const templates: number[] = []
  let i = 0
  const template = () => {
    const from = i
    while (i < text.length) {
      if (text[i] === '\\') i += 2
      else if (text[i] === '`') {
        wipe(from, i++)
        return
      } else if (text.startsWith('${', i)) {
        wipe(from, i)
        i += 2
        templates.push(0)
        return
      } else i++
    }
  }
  while (i < text.length) {
    const char = text[i] as string
    if (text.startsWith('//', i)) {
      const end = text.indexOf('\n', i)
      wipe(i, end < 0 ? text.length : end)
      i = end < 0 ? text.length : end
    } else if (text.startsWith('/*', i)) {
      const end = text.indexOf('*/', i + 2)
      wipe(i, end < 0 ? text.length : end + 2)
      i = end < 0 ? text.length : end + 2
    } else if (char === "'" || char === '"') {
      const from = ++i
      while (i < text.length && text[i] !== char && text[i] !== '\n') i += text[i] === '\\' ? 2 : 1
      wipe(from, i++)
    } else if (char === '`') {
      i++
      template()
    } else if (char === '}' && templates.at(-1) === 0) {
      templates.pop()
      i++
      template()
    } else if (char === '/' && startsRegex(out, i)) {
      const from = ++i
      for (let inClass = false; i < text.length && (inClass || text[i] !== '/') && text[i] !== '\n'; i++) {
        if (text[i] === '\\') i++
        else if (text[i] === '[') inClass = true
        else if (text[i] === ']') inClass = false
      }
      wipe(from, i++)
    } else {
      const depth = templates.length - 1
      if (depth >= 0 && char === '{') templates[depth] = (templates[depth] as number) + 1
      if (depth >= 0 && char === '}') templates[depth] = (templates[depth] as number) - 1
      i++
    }
  }
  return out.join('')
}

/** A slash after a value divides; anywhere else it begins a regular expression. */
function startsRegex(out: readonly string[], at: number): boolean {
  let i = at - 1
  while (i >= 0 && /\s/.test(out[i] as string)) i--
  if (i < 0) return true
  if (!/[\w$)\]}'"`]/.test(out[i] as string)) return true
  const word = /(\w+)$/.exec(out.slice(Math.max(0, i - 10), i + 1).join(''))?.[1]
  return word !== undefined && ['return', 'typeof', 'case', 'in', 'of', 'void', 'yield', 'await'].includes(word)
}

/** A way round through the graph of what modules need from each other to be loaded, or undefined. */
export function cycleIn(modules: readonly Module[]): readonly string[] | undefined {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const { target, typeOnly, lazy } of byPath.get(path)?.imports ?? []) {
      const cycle = target === undefined || typeOnly || lazy ? undefined : visit(target, [...way, path])
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const { path } of modules) {
    const cycle = visit(path, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

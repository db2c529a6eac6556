/**
 * Regular expressions of users, matched in time that grows with the text alone: by an automaton that is
 * made while it runs, never by trying again. Node's own RegExp can take hours for one body of 64 KiB
 * (`(a+)+$`), and one who waits for it cannot look at anything else.
 *
 * What is understood: literals, `.`, classes, `\d \w \s` and their opposites, groups, `|`, `* + ? {n,m}`,
 * `^` and `$` (begin and end of the whole text), and `(?i)` in front (ASCII letters in either case). Not:
 * back-references, look-around, `\b`. A match says whether the text contains the pattern, as RegExp.test does.
 */
import { type Problem, problem } from './problem.ts'

export interface Pattern {
  test(text: string): boolean
}

/** Steps of a compiled pattern: the most work for one character. */
const stepsAtMost = 500
const nestingAtMost = 50
/** States kept; beyond it they are forgotten and made again. */
const statesAtMost = 1_000

/** Inclusive ranges of UTF-16 code units, in order, apart from each other. */
type Ranges = readonly (readonly [number, number])[]

type Node =
  | { readonly kind: 'set'; readonly ranges: Ranges }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly least: number; readonly most: number }

type Step =
  | { readonly kind: 'set'; readonly ranges: Ranges }
  | { readonly kind: 'start' | 'end' | 'match' }
  | { kind: 'split'; first: number; second: number }
  | { kind: 'jump'; to: number }

class Refusal {
  readonly expected: string
  readonly found: string
  constructor(expected: string, found: string) {
    this.expected = expected
    this.found = found
  }
}

export function patternOf(source: string): Pattern | Problem {
  try {
    const ignoreCase = source.startsWith('(?i)')
    const node = new Parser(ignoreCase ? source.slice(4) : source, ignoreCase).whole()
    return new Automaton(stepsOf(node))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return problem(`the pattern ${JSON.stringify(source)}`, error.expected, error.found, 'correct the pattern')
  }
}

const last = 0xffff
const complement = (ranges: Ranges): Ranges => {
  const found: [number, number][] = []
  let from = 0
  for (const [low, high] of joined(ranges)) {
    if (low > from) found.push([from, low - 1])
    from = high + 1
  }
  if (from <= last) found.push([from, last])
  return found
}

function joined(ranges: Ranges): Ranges {
  const found: [number, number][] = []
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = found.at(-1)
    if (before !== undefined && low <= before[1] + 1) before[1] = Math.max(before[1], high)
    else found.push([low, high])
  }
  return found
}

/** With the other case of every ASCII letter. */
function eitherCase(ranges: Ranges): Ranges {
  const also: [number, number][] = []
  for (const [low, high] of ranges)
    for (const [from, to, shift] of [
      [65, 90, 32],
      [97, 122, -32],
    ] as const) {
      const least = Math.max(low, from)
      const most = Math.min(high, to)
      if (least <= most) also.push([least + shift, most + shift])
    }
  return joined([...ranges, ...also])
}

const digit: Ranges = [[48, 57]]
const word: Ranges = [[48, 57], [65, 90], [95, 95], [97, 122]] // biome-ignore format: as one reads it
const space: Ranges = [[9, 13], [32, 32], [160, 160], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff]] // biome-ignore format: as one reads it
const newline: Ranges = [[10, 10], [13, 13], [0x2028, 0x2029]] // biome-ignore format: as one reads it
const classes: Readonly<Record<string, Ranges>> = {
  d: digit,
  D: complement(digit),
  w: word,
  W: complement(word),
  s: space,
  S: complement(space),
}
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 }

class Parser {
  readonly #text: string
  readonly #ignoreCase: boolean
  #at = 0
  #depth = 0

  constructor(text: string, ignoreCase: boolean) {
    this.#text = text
    this.#ignoreCase = ignoreCase
  }

  whole(): Node {
    const node = this.#alternatives()
    if (this.#at < this.#text.length) throw new Refusal('groups that are opened', `a ")" too many`)
    return node
  }

  get #next(): string | undefined {
    return this.#text[this.#at]
  }

  #alternatives(): Node {
    if (++this.#depth > nestingAtMost) throw new Refusal(`at most ${nestingAtMost} groups in each other`, 'more')
    const parts = [this.#sequence()]
    while (this.#next === '|') {
      this.#at++
      parts.push(this.#sequence())
    }
    this.#depth--
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'any', parts }
  }

  #sequence(): Node {
    const parts: Node[] = []
    while (this.#next !== undefined && this.#next !== '|' && this.#next !== ')') parts.push(this.#repeated())
    return { kind: 'all', parts }
  }

  #repeated(): Node {
    const part = this.#atom()
    const count = this.#count()
    if (count === undefined) return part
    if (part.kind === 'start' || part.kind === 'end') throw new Refusal('something to repeat', 'a repeated ^ or $')
    // Which of several matches is found makes no difference to whether there is one.
    if (this.#next === '?') this.#at++
    if (this.#count() !== undefined) throw new Refusal('one count after each part', 'two in a row')
    return { kind: 'repeat', part, ...count }
  }

  /** `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`, if one stands here. */
  #count(): { readonly least: number; readonly most: number } | undefined {
    const single = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] }[this.#next ?? '']
    if (single !== undefined) {
      this.#at++
      return { least: single[0] as number, most: single[1] as number }
    }
    const match = /^\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}/.exec(this.#text.slice(this.#at, this.#at + 12))
    if (match === null) return undefined
    this.#at += match[0].length
    const least = Number(match[1])
    const most = match[2] === undefined ? least : match[3] === undefined ? Infinity : Number(match[3])
    if (most < least) throw new Refusal('counts in order', match[0])
    return { least, most }
  }

  #set(ranges: Ranges): Node {
    return { kind: 'set', ranges: this.#ignoreCase ? eitherCase(ranges) : joined(ranges) }
  }

  #atom(): Node {
    const char = this.#next as string
    this.#at++
    if (char === '^') return { kind: 'start' }
    if (char === '$') return { kind: 'end' }
    if (char === '.') return { kind: 'set', ranges: complement(newline) }
    if (char === '(') return this.#group()
    if (char === '[') return this.#class()
    if ('*+?'.includes(char)) throw new Refusal(`something before ${char}`, 'nothing')
    if (char === '\\') {
      const found = this.#escape()
      return this.#set(typeof found === 'number' ? [[found, found]] : found)
    }
    if ('{}]'.includes(char)) throw new Refusal(`\\${char} for the character itself`, char)
    const code = char.charCodeAt(0)
    return this.#set([[code, code]])
  }

  #group(): Node {
    if (this.#next === '?') {
      if (!this.#text.startsWith('?:', this.#at))
        throw new Refusal(
          'a group ( ) or (?: )',
          `(${this.#text.slice(this.#at, this.#at + 3)}, which is not understood`,
        )
      this.#at += 2
    }
    const node = this.#alternatives()
    if (this.#next !== ')') throw new Refusal('a ) for each (', 'the end')
    this.#at++
    return node
  }

  /** After the backslash: one character, or a class of them. */
  #escape(): number | Ranges {
    const char = this.#next
    if (char === undefined) throw new Refusal('a character after the last \\', 'the end')
    this.#at++
    const known = Object.hasOwn(classes, char) ? classes[char] : undefined
    if (known !== undefined) return known
    if (Object.hasOwn(controls, char)) return controls[char] as number
    if (char === 'x' || char === 'u') {
      const digits = this.#text.slice(this.#at, this.#at + (char === 'x' ? 2 : 4))
      if (!(char === 'x' ? /^[0-9a-fA-F]{2}$/ : /^[0-9a-fA-F]{4}$/).test(digits))
        throw new Refusal(char === 'x' ? '\\x and two hexadecimal digits' : '\\u and four', `\\${char}${digits}`)
      this.#at += digits.length
      return Number.parseInt(digits, 16)
    }
    if (/[A-Za-z0-9]/.test(char)) throw new Refusal('an escape that this matcher knows', `\\${char}`)
    return char.charCodeAt(0)
  }

  #class(): Node {
    const negated = this.#next === '^'
    if (negated) this.#at++
    const ranges: [number, number][] = []
    for (;;) {
      const low = this.#member()
      if (low === undefined) break
      if (typeof low !== 'number' || this.#next !== '-' || this.#text[this.#at + 1] === ']') {
        for (const [from, to] of typeof low === 'number' ? ([[low, low]] as const) : low) ranges.push([from, to])
        continue
      }
      this.#at++
      const high = this.#member()
      if (typeof high !== 'number' || high < low) throw new Refusal('a range of characters in order', 'another one')
      ranges.push([low, high])
    }
    const plain = this.#ignoreCase ? eitherCase(ranges) : joined(ranges)
    return { kind: 'set', ranges: negated ? complement(plain) : plain }
  }

  /** Undefined at the end of the class. */
  #member(): number | Ranges | undefined {
    const char = this.#next
    if (char === undefined) throw new Refusal('a ] for each [', 'the end')
    this.#at++
    if (char === ']') return undefined
    return char === '\\' ? this.#escape() : char.charCodeAt(0)
  }
}

function stepsOf(node: Node): readonly Step[] {
  const steps: Step[] = []
  const add = (step: Step): number => {
    if (steps.length >= stepsAtMost)
      throw new Refusal(`a pattern of at most ${stepsAtMost} steps`, 'more: long counts cost one for each time')
    return steps.push(step) - 1
  }
  const emit = (part: Node): void => {
    switch (part.kind) {
      case 'set':
        add({ kind: 'set', ranges: part.ranges })
        return
      case 'start':
      case 'end':
        add({ kind: part.kind })
        return
      case 'all':
        for (const one of part.parts) emit(one)
        return
      case 'any': {
        const jumps: { kind: 'jump'; to: number }[] = []
        for (const [index, one] of part.parts.entries()) {
          if (index === part.parts.length - 1) {
            emit(one)
            break
          }
          const split = { kind: 'split' as const, first: steps.length + 1, second: 0 }
          add(split)
          emit(one)
          const jump = { kind: 'jump' as const, to: 0 }
          add(jump)
          jumps.push(jump)
          split.second = steps.length
        }
        for (const jump of jumps) jump.to = steps.length
        return
      }
      case 'repeat': {
        for (let count = 0; count < part.least; count++) emit(part.part)
        if (part.most === Infinity) {
          const split = { kind: 'split' as const, first: steps.length + 1, second: 0 }
          const at = add(split)
          emit(part.part)
          add({ kind: 'jump', to: at })
          split.second = steps.length
          return
        }
        const splits: { kind: 'split'; first: number; second: number }[] = []
        for (let count = part.least; count < part.most; count++) {
          const split = { kind: 'split' as const, first: steps.length + 1, second: 0 }
          add(split)
          splits.push(split)
          emit(part.part)
        }
        for (const split of splits) split.second = steps.length
        return
      }
    }
  }
  emit(node)
  add({ kind: 'match' })
  return steps
}

interface State {
  /** Steps that wait for a character, or for the end. */
  readonly waiting: readonly number[]
  readonly matched: boolean
  /** By class of characters. */
  readonly next: (State | undefined)[]
}

class Automaton implements Pattern {
  readonly #steps: readonly Step[]
  /** First code units of the classes, in order: characters of one class are alike to every step. */
  readonly #bounds: readonly number[]
  readonly #classOfAscii: Uint16Array
  #states = new Map<string, State>()
  readonly #first: State

  constructor(steps: readonly Step[]) {
    this.#steps = steps
    const bounds = new Set([0])
    for (const step of steps)
      if (step.kind === 'set')
        for (const [low, high] of step.ranges) {
          bounds.add(low)
          bounds.add(high + 1)
        }
    this.#bounds = [...bounds].filter((bound) => bound <= last).sort((a, b) => a - b)
    this.#classOfAscii = Uint16Array.from({ length: 128 }, (_, code) => this.#search(code))
    this.#first = this.#stateOf([0], true, false)
  }

  test(text: string): boolean {
    let state = this.#first
    for (let at = 0; at < text.length; at++) {
      if (state.matched) return true
      const code = text.charCodeAt(at)
      const kind = code < 128 ? (this.#classOfAscii[code] as number) : this.#search(code)
      const next = state.next[kind]
      if (next !== undefined) state = next
      else {
        const made: State = this.#after(state, this.#bounds[kind] as number)
        state.next[kind] = made
        state = made
      }
    }
    return state.matched || this.#stateOf(state.waiting, text.length === 0, true).matched
  }

  #search(code: number): number {
    let low = 0
    let high = this.#bounds.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((this.#bounds[middle] as number) <= code) low = middle
      else high = middle
    }
    return low
  }

  /** A match may begin at every character, so the first step is always among those to come. */
  #after({ waiting }: State, code: number): State {
    const reached = [0]
    for (const at of waiting) {
      const step = this.#steps[at] as Step
      if (step.kind === 'set' && step.ranges.some(([low, high]) => low <= code && code <= high)) reached.push(at + 1)
    }
    return this.#stateOf(reached, false, false)
  }

  /** What is reached from there without a character. At the end nothing is kept. */
  #stateOf(from: readonly number[], atStart: boolean, atEnd: boolean): State {
    const seen = new Set<number>()
    const open = [...from]
    const waiting: number[] = []
    let matched = false
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue
      seen.add(at)
      const step = this.#steps[at] as Step
      if (step.kind === 'match') matched = true
      else if (step.kind === 'jump') open.push(step.to)
      else if (step.kind === 'split') open.push(step.second, step.first)
      else if (step.kind === 'set') waiting.push(at)
      else if (step.kind === 'start') {
        if (atStart) open.push(at + 1)
      } else if (atEnd) open.push(at + 1)
      else waiting.push(at)
    }
    waiting.sort((a, b) => a - b)
    const state: State = { waiting, matched, next: [] }
    if (atEnd || atStart) return state
    const name = `${matched} ${waiting.join(' ')}`
    const known = this.#states.get(name)
    if (known !== undefined) return known
    if (this.#states.size >= statesAtMost) this.#states = new Map()
    this.#states.set(name, state)
    return state
  }
}

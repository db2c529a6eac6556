/** The lexical part of zone files (RFC 1035 section 5.1): lines of tokens, with parentheses, quotes and comments resolved. */
import { escapeAt } from './name.ts'

export interface Token {
  /** Escapes are still in it, quotation marks are not. */
  readonly text: string
  /** Whether it began with a quotation mark, and so cannot be a keyword. */
  readonly quoted: boolean
}

/** One entry; parentheses may have spread it over several lines. */
export interface Line {
  /** Where it began, from 1. */
  readonly number: number
  /** Whether it began with a space or tab, and so leaves out the owner. */
  readonly blank: boolean
  readonly tokens: readonly Token[]
  /** What is wrong with the entry as text; its tokens are not to be used then. */
  readonly error?: string
}

/** Entries with at least one token, or an error. `;` begins a comment, except in quotes and after a backslash. */
export function* linesOf(text: string): Generator<Line> {
  let at = 0
  let number = 1
  while (at < text.length) {
    const started = number
    const blank = text[at] === ' ' || text[at] === '\t'
    const tokens: Token[] = []
    let depth = 0
    let error: string | undefined
    for (; at < text.length; ) {
      const char = text[at] as string
      if (char === '\n') {
        at++
        number++
        if (depth === 0 || error !== undefined) break
      } else if (char === ' ' || char === '\t' || char === '\r') at++
      else if (char === ';') at = endOfLine(text, at)
      else if (char === '(') {
        depth++
        at++
      } else if (char === ')') {
        if (depth === 0) error ??= '")" without "("'
        depth = Math.max(0, depth - 1)
        at++
      } else {
        const token = tokenAt(text, at)
        if (typeof token === 'string') {
          error ??= token
          at = endOfLine(text, at)
        } else {
          tokens.push(token)
          at = token.end
        }
      }
    }
    if (depth > 0) error ??= '"(" without ")"'
    if (error !== undefined) yield { number: started, blank, tokens, error }
    else if (tokens.length > 0) yield { number: started, blank, tokens }
  }
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function tokenAt(text: string, start: number): (Token & { readonly end: number }) | string {
  if (text[start] === '"') {
    const end = endOfQuoted(text, start)
    return end === undefined
      ? 'a quotation mark that is not closed'
      : { text: text.slice(start + 1, end), quoted: true, end: end + 1 }
  }
  for (let at = start; ; at++) {
    const char = text[at]
    if (char === undefined || ' \t\r\n;()'.includes(char))
      return { text: text.slice(start, at), quoted: false, end: at }
    if (char === '\\') {
      at++
      if (text[at] === undefined || text[at] === '\n') return 'a backslash at the end of a line'
    } else if (char === '"') {
      // key="value", as SVCB has it (RFC 9460 section 2.1); anywhere else a quotation mark would be a guess.
      const end = text[at - 1] === '=' ? endOfQuoted(text, at) : undefined
      if (end === undefined) return 'a quotation mark inside a word, or one that is not closed'
      return { text: text.slice(start, at) + text.slice(at + 1, end), quoted: false, end: end + 1 }
    }
  }
}

function endOfQuoted(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '"') return at
    if (text[at] === '\n') return undefined
    if (text[at] === '\\') at++
  }
  return undefined
}

/** The octets of a token, one character each: escapes resolved, what is not ASCII as UTF-8. Undefined for a bad escape. */
export function octetsOf(text: string): string | undefined {
  let octets = ''
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x5c) {
      const escaped = escapeAt(text, at)
      if (escaped === undefined) return undefined
      octets += String.fromCharCode(escaped.code)
      at += escaped.extra
    } else if (code < 0x80) octets += text[at]
    else {
      const point = String.fromCodePoint(text.codePointAt(at) as number)
      octets += Buffer.from(point, 'utf8').toString('latin1')
      at += point.length - 1
    }
  }
  return octets
}

/** The octets as a quoted character string that `octetsOf` reads back. */
export function quote(octets: string): string {
  return `"${octets.replace(/["\\]|[^ -~]/g, (c) => (c === '"' || c === '\\' ? `\\${c}` : `\\${String(c.charCodeAt(0)).padStart(3, '0')}`))}"`
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** Seconds: `3600`, or a sum with units as in `1h30m`. Undefined over 2^31 - 1 (RFC 2181 section 8). */
export function ttlFromText(text: string): number | undefined {
  if (!/^(?:[0-9]+[smhdw]?)+$/i.test(text)) return undefined
  let seconds = 0
  for (const [, digits, unit] of text.matchAll(/([0-9]+)([a-z]?)/gi)) {
    seconds += Number(digits) * (units[(unit as string).toLowerCase()] ?? 1)
  }
  return seconds < 2 ** 31 ? seconds : undefined
}

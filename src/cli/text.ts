/** Text for terminals: widths, tables, bars, and times as people write them. Pure. */
import { stripVTControlCharacters } from 'node:util'

export const widthOf = (text: string): number => stripVTControlCharacters(text).length

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** At most `width` columns, an ellipsis in place of what did not fit; styles are closed where it cuts. */
export function fitted(text: string, width: number): string {
  if (width <= 0) return ''
  if (widthOf(text) <= width) return text
  let shown = 0
  let result = ''
  for (let i = 0; i < text.length; ) {
    if (text[i] === '\x1b') {
      const end = text.indexOf('m', i) + 1
      result += text.slice(i, end)
      i = end
      continue
    }
    if (shown === width - 1) break
    result += text[i]
    shown += 1
    i += 1
  }
  return `${result}…${result.includes('\x1b') ? '\x1b[0m' : ''}`
}

/** Columns as wide as their widest cell, two spaces between them, nothing after the last. */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))
  return rows
    .map((row) =>
      `${indent}${row.map((cell, column) => (column === row.length - 1 ? cell : padEnd(cell, widths[column] ?? 0))).join('  ')}`.trimEnd(),
    )
    .join('\n')
}

/** `share` of `width` cells, in eighths. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8)
  const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? ''
  return (
    '█'.repeat(Math.floor(eighths / 8)) + part + '·'.repeat(width - Math.floor(eighths / 8) - (part === '' ? 0 : 1))
  )
}

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/** `90s`, `1h30m`, `2d`: milliseconds, or undefined. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g))
    total += Number(amount) * units[unit as keyof typeof units]
  return Number.isFinite(total) ? Math.round(total) : undefined
}

/** The two largest units: `420 ms`, `12 s`, `3 m 05 s`, `2 h 10 m`, `3 d 4 h`. */
export function durationText(ms: number): string {
  if (ms < 0) return `-${durationText(-ms)}`
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  if (seconds < 86_400)
    return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

export const agoText = (at: number, now: number): string =>
  at > now + 1000 ? `${durationText(at - now)} in the future` : `${durationText(Math.max(0, now - at))} ago`

export const timeText = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z')

/** Hours, minutes and seconds where the reader is. */
export function clockText(at: number): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':')
}

export const percentText = (share: number): string => {
  const percent = share * 100
  return `${percent > 0 && percent < 10 && !Number.isInteger(percent) ? percent.toFixed(1) : Math.round(percent)} %`
}

/** `1 name`, `2 names`. */
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

/** An argument as a POSIX shell reads it. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** The closest of `known` to what was typed, if it is close enough to be meant. */
export function closest(typed: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(typed.length / 3)) + 1
  for (const candidate of known) {
    const d = distance(typed.toLowerCase(), candidate.toLowerCase())
    if (d < least) {
      least = d
      best = candidate
    }
  }
  return best
}

/** Levenshtein's, over at most 255 characters of each. */
function distance(a: string, b: string): number {
  const left = a.slice(0, 255)
  const right = b.slice(0, 255)
  let row = Array.from({ length: right.length + 1 }, (_, i) => i)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1),
      )
    row = next
  }
  return row[right.length] ?? 0
}

/** `a, b and 3 more`. */
export function someOf(items: readonly string[], most = 8): string {
  if (items.length === 0) return 'none'
  if (items.length <= most) return items.join(', ')
  return `${items.slice(0, most).join(', ')} and ${items.length - most} more`
}

/**
 * Endpoints in bulk: one a line, for sets that would be slow to read as YAML.
 *
 *     # NAME            TTL  what it answers
 *     a.example.test    60   pool web
 *     www.example.test  60   alias a.example.test
 *     b.example.test    300  addresses 192.0.2.1 192.0.2.2*50 adopt
 *
 * Fields are separated by spaces or tabs; the last word may be `adopt`. A line that starts with `#` is
 * a comment.
 */
import type { EndpointShape } from './schema.ts'

export interface BulkLine {
  readonly kind: 'endpoint'
  readonly name: string
  readonly line: number
  readonly shape: EndpointShape
}

export interface BulkMistake {
  readonly kind: 'mistake'
  readonly line: number
  readonly expected: string
  readonly found: string
}

const form = 'NAME TTL pool POOL, NAME TTL alias NAME, or NAME TTL addresses IP…'

/** A longer line than this is not one of ours. */
const lineAtMost = 65_536

export function* readEndpointLines(text: string): Generator<BulkLine | BulkMistake> {
  let line = 0
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    line++
    const length = end - start
    if (length > lineAtMost)
      yield {
        kind: 'mistake',
        line,
        expected: `a line of at most ${lineAtMost} characters`,
        found: `${length} characters`,
      }
    else {
      const content = text.slice(start, end).trim()
      if (content !== '' && !content.startsWith('#')) yield readLine(content, line)
    }
    start = end + 1
  }
}

function readLine(content: string, line: number): BulkLine | BulkMistake {
  const words = content.split(/[ \t]+/)
  const adopt = words.length > 4 && words.at(-1) === 'adopt'
  if (adopt) words.pop()
  const [name = '', ttlText = '', kind, ...rest] = words
  const ttl = /^[0-9]{1,10}$/.test(ttlText) ? Number(ttlText) : Number.NaN
  const first = rest[0]
  if (Number.isNaN(ttl) || first === undefined)
    return { kind: 'mistake', line, expected: form, found: excerpt(content) }
  if (ttl > 604_800)
    return { kind: 'mistake', line, expected: 'a TTL in seconds, a whole number from 0 to 604800', found: ttlText }
  if (kind === 'pool' && rest.length === 1) return { kind: 'endpoint', name, line, shape: { pool: first, ttl, adopt } }
  if (kind === 'alias' && rest.length === 1)
    return { kind: 'endpoint', name, line, shape: { alias: first, ttl, adopt } }
  if (kind === 'addresses') return { kind: 'endpoint', name, line, shape: { addresses: rest, ttl, adopt } }
  return { kind: 'mistake', line, expected: form, found: excerpt(content) }
}

const excerpt = (content: string) => JSON.stringify(content.length > 78 ? `${content.slice(0, 77)}…` : content)

/** Zone files (RFC 1035 section 5) to records. What the records have to be to each other is for the reader to check. */
import { isNonEmpty, type NonEmpty } from '../base/nonempty.ts'
import { isProblem, type Problem, problem } from '../base/problem.ts'
import type { ResourceRecord } from './message.ts'
import { nameFromText, nameToText, type WireName } from './name.ts'
import { rdataFromTokens, rdataToText, soaFields } from './rdata.ts'
import { type Line, linesOf, type Token, ttlFromText } from './tokens.ts'
import { Class, classText, Type, typeFromText, typeText } from './types.ts'

export interface MasterOptions {
  /** What relative names stand below until `$ORIGIN` says otherwise. */
  readonly origin: WireName
  /** The file's name in problems, as `file:line`; `zone file` when absent. */
  readonly file?: string
}

export interface MasterProblems {
  readonly kind: 'problems'
  readonly problems: NonEmpty<Problem>
}

/** Reading stops here: a file with more mistakes is not a zone file. */
const maxProblems = 100

/**
 * `$ORIGIN`, `$TTL`, parentheses, quotes, escapes, comments, an owner left blank, TTL and class in either order, TTLs with
 * units, `\# length hex`. A record without a TTL takes that of `$TTL`, else of the record before it, else the SOA's
 * MINIMUM (RFC 2308 section 4). Refused: `$INCLUDE`, `$GENERATE`, classes other than IN. All problems are reported.
 */
export function readMaster(
  text: string,
  { origin, file = 'zone file' }: MasterOptions,
): readonly ResourceRecord[] | MasterProblems {
  const reader = new MasterReader(origin)
  const problems: Problem[] = []
  for (const line of linesOf(text)) {
    const found = reader.read(line)
    if (found === undefined) continue
    problems.push({ ...found, at: `${file}:${line.number}${found.at === '' ? '' : ` (${found.at})`}` })
    if (problems.length === maxProblems) break
  }
  return isNonEmpty(problems) ? { kind: 'problems', problems } : reader.records
}

/** One record as a line of a zone file, everything in it absolute and explicit. */
export function masterLine({ name, type, class: klass, ttl, data }: ResourceRecord): string {
  return `${nameToText(name)} ${ttl} ${classText(klass)} ${typeText(type)} ${rdataToText(type, data)}`
}

class MasterReader {
  readonly records: ResourceRecord[] = []
  private origin: WireName
  private owner: WireName | undefined
  private defaultTtl: number | undefined
  private lastTtl: number | undefined

  constructor(origin: WireName) {
    this.origin = origin
  }

  /** Takes one entry; the problem's `at` says what in the line, or nothing. */
  read(line: Line): Problem | undefined {
    if (line.error !== undefined) return refuse('a whole entry', line.error, 'correct the line')
    const first = line.tokens[0] as Token
    if (!line.blank && !first.quoted && first.text.startsWith('$'))
      return this.directive(first.text.toUpperCase(), line.tokens.slice(1))
    return this.record(line)
  }

  private directive(keyword: string, [argument, ...more]: readonly Token[]): Problem | undefined {
    const found = argument === undefined ? 'nothing' : [argument, ...more].map(({ text }) => text).join(' ')
    if (keyword === '$ORIGIN') {
      const origin = argument === undefined || more.length > 0 ? undefined : nameFromText(argument.text, this.origin)
      if (origin === undefined) return refuse('one domain name after $ORIGIN', found, 'correct the line')
      this.origin = origin
      return undefined
    }
    if (keyword === '$TTL') {
      const ttl = argument === undefined || more.length > 0 ? undefined : ttlFromText(argument.text)
      if (ttl === undefined) return refuse('one time such as 3600 or 1h after $TTL', found, 'correct the line')
      this.defaultTtl = ttl
      return undefined
    }
    const known = keyword === '$INCLUDE' || keyword === '$GENERATE'
    return refuse(
      '$ORIGIN or $TTL',
      keyword,
      known ? `write out what ${keyword} stands for: it is not supported` : 'correct the line',
    )
  }

  private record({ blank, tokens }: Line): Problem | undefined {
    let at = 0
    if (!blank) {
      const { text, quoted } = tokens[at++] as Token
      const owner = quoted ? undefined : nameFromText(text, this.origin)
      if (owner === undefined) return refuse('a domain name as owner', text, 'correct the name')
      this.owner = owner
    }
    if (this.owner === undefined)
      return refuse('an owner name', 'an entry without one, and none before it', 'write the owner name')
    let ttl: number | undefined
    let inClass = false
    for (; at < tokens.length; at++) {
      const { text } = tokens[at] as Token
      if (ttl === undefined && /^[0-9]/.test(text)) {
        ttl = ttlFromText(text)
        if (ttl === undefined) return refuse('a TTL from 0 to 2147483647 seconds', text, 'correct the TTL')
      } else if (!inClass && /^(?:IN|CH|CS|HS|CLASS[0-9]+)$/i.test(text)) {
        if (!/^(?:IN|CLASS1)$/i.test(text))
          return refuse('class IN', text, 'remove the record: other classes are not served')
        inClass = true
      } else break
    }
    const typeToken = tokens[at]
    const type = typeToken === undefined || typeToken.quoted ? undefined : typeFromText(typeToken.text)
    if (type === undefined)
      return refuse('a record type such as A or TYPE65280', typeToken?.text ?? 'nothing', 'correct the type')
    const data = rdataFromTokens(type, tokens.slice(at + 1), this.origin)
    if (isProblem(data)) return data
    const chosen = ttl ?? this.defaultTtl ?? this.lastTtl ?? (type === Type.SOA ? soaFields(data)?.minimum : undefined)
    if (chosen === undefined) return refuse('a TTL', 'none here, before, or in $TTL', 'write a TTL, or $TTL at the top')
    this.lastTtl = chosen
    this.records.push({ name: this.owner, type, class: Class.IN, ttl: chosen, data })
    return undefined
  }
}

const refuse = (expected: string, found: string, todo: string): Problem => problem('', expected, found, todo)

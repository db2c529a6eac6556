/** What came back, judged by what was expected. Pure. */
import { assert } from '../base/assert.ts'
import { type Pattern, patternOf } from '../base/pattern.ts'
import { isProblem } from '../base/problem.ts'
import type { Message } from '../dns/message.ts'
import { nameFromText } from '../dns/name.ts'
import { rdataFromText, rdataToText } from '../dns/rdata.ts'
import { rcodeText, typeFromText } from '../dns/types.ts'
import type { DnsCheck, HttpCheck } from '../model/check.ts'
import type { Failure, HttpReply } from '../world/world.ts'
import { couldNotLook, fail, type Look, pass } from './checker.ts'

const failureTexts: Readonly<Record<Exclude<Failure['reason'], 'exhausted'>, string>> = {
  timeout: 'no answer in time',
  refused: 'connection refused',
  unreachable: 'unreachable',
  reset: 'connection reset',
  closed: 'connection closed',
  'too-large': 'reply too large',
  other: 'failed',
}

export function judgeFailure({ reason, detail }: Failure): Look {
  if (reason === 'exhausted') return couldNotLook(`no socket or port is left here: ${detail}`)
  return fail(detail === '' ? failureTexts[reason] : `${failureTexts[reason]}: ${detail}`)
}

const patterns = new WeakMap<HttpCheck, Pattern>()

export function judgeHttp(check: HttpCheck, { status, body }: Pick<HttpReply, 'status' | 'body'>): Look {
  if (!check.status.includes(status)) return fail(`expected status ${check.status.join(' or ')}, found ${status}`)
  if (check.body === undefined) return pass
  const { kind, text } = check.body
  const found = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  const wanted = JSON.stringify(text.slice(0, 60))
  if (kind === 'contains')
    return found.includes(text) ? pass : fail(`expected a body that contains ${wanted}, found ${excerpt(found)}`)
  return patternIn(check, text).test(found)
    ? pass
    : fail(`expected a body that matches ${wanted}, found ${excerpt(found)}`)
}

function patternIn(check: HttpCheck, text: string): Pattern {
  const known = patterns.get(check)
  if (known !== undefined) return known
  const pattern = patternOf(text)
  assert(!isProblem(pattern), `expected a pattern that the configuration has checked, found ${text}`)
  patterns.set(check, pattern)
  return pattern
}

/** The beginning of something foreign, on one line. */
export function excerpt(text: string): string {
  if (text === '') return 'nothing'
  return JSON.stringify(text.length > 50 ? `${text.slice(0, 50)}…` : text)
}

export function judgeDns(check: DnsCheck, message: Message): Look {
  const rcode = rcodeText(message.rcode)
  if (rcode !== check.rcode) return fail(`expected ${check.rcode}, found ${rcode}`)
  const type = typeFromText(check.type)
  assert(type !== undefined, `expected a type that the configuration has checked, found ${check.type}`)
  const found = new Set(
    message.answers.filter((record) => record.type === type).map(({ data }) => rdataToText(type, data)),
  )
  for (const text of check.answer) {
    const data = rdataFromText(type, text, nameFromText(check.name))
    assert(!isProblem(data), `expected data that the configuration has checked, found ${text}`)
    const wanted = rdataToText(type, data)
    if (found.has(wanted)) continue
    const given = found.size === 0 ? `no ${check.type} record` : [...found].slice(0, 3).join(', ')
    return fail(`expected ${check.type} ${wanted}, found ${given}${found.size > 3 ? ', …' : ''}`)
  }
  return pass
}

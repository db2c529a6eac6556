/** A pool's `check` in the words of the model. Pure. */
import { isNonEmpty, type NonEmpty } from '../base/nonempty.ts'
import { patternOf } from '../base/pattern.ts'
import { isProblem } from '../base/problem.ts'
import { nameFromText } from '../dns/name.ts'
import { rdataFromText } from '../dns/rdata.ts'
import { Rcode, typeFromText } from '../dns/types.ts'
import type { Check, CheckHeader, CheckTls } from '../model/check.ts'
import { parseName } from '../model/name.ts'
import type { SecretSource } from '../model/secret.ts'
import { checkKinds } from './check-shape.ts'
import { didYouMean, type Path, quoted } from './problems.ts'
import type { PoolShape } from './schema.ts'

/** Says what is wrong at a path. */
export type Report = (where: Path, expected: string, found: string, todo: string, key?: boolean) => void

type Shapes = Exclude<PoolShape['check'], 'none'>
type HttpShape = NonNullable<Shapes['http']>

/** Reports and returns undefined for what cannot be. */
export function readCheck(check: PoolShape['check'], path: Path, report: Report): Check | undefined {
  if (check === 'none') return { kind: 'none' }
  const given = checkKinds.filter((kind) => check[kind] !== undefined)
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none of them' : given.join(' and ')
    report(path, `one of ${checkKinds.join(', ')}`, found, 'keep one, or write none')
    return undefined
  }
  const { http, tcp, tls, dns, grpc, command } = check
  if (tcp !== undefined) return { kind: 'tcp', port: tcp.port }
  if (http !== undefined) return readHttp(http, [...path, 'http'], report)
  if (tls !== undefined) return { kind: 'tls', port: tls.port, tls: tlsOf(tls) }
  if (dns !== undefined) return readDns(dns, [...path, 'dns'], report)
  if (grpc !== undefined) {
    const { port, service, host = null } = grpc
    return { kind: 'grpc', port, service, host, ...(grpc.tls === undefined ? {} : { tls: tlsOf(grpc.tls) }) }
  }
  return command === undefined ? undefined : readCommand(command, [...path, 'command'], report)
}

type TlsShape = Omit<NonNullable<Shapes['tls']>, 'port'>

const tlsOf = ({ serverName, verify, ca, daysLeft }: TlsShape): CheckTls => ({
  serverName: serverName ?? null,
  verify,
  ca: ca ?? null,
  daysLeft,
})

/** Fields that are as they come are left out: a check means the same as it did before they were there. */
function readHttp(shape: HttpShape, path: Path, report: Report): Check | undefined {
  const { port, path: asked, host = null, method, contains, matches, tls } = shape
  const status = [...new Set([shape.status].flat())].sort((a, b) => a - b)
  const headers = readHeaders(shape.headers, [...path, 'headers'], report)
  if (contains !== undefined && matches !== undefined) {
    report(path, 'one of contains and matches', 'both', 'keep one')
    return undefined
  }
  if (method === 'HEAD' && (contains ?? matches) !== undefined) {
    report([...path, 'method'], 'GET where the body is looked at', 'HEAD, whose answers have none', 'write GET')
    return undefined
  }
  if (matches !== undefined) {
    const pattern = patternOf(matches)
    if (isProblem(pattern)) {
      report([...path, 'matches'], pattern.expected, pattern.found, 'correct the pattern')
      return undefined
    }
  }
  if (headers === undefined || !isNonEmpty(status)) return undefined
  const text = contains ?? matches
  return {
    kind: 'http',
    port,
    path: asked,
    host,
    status,
    ...(method === 'GET' ? {} : { method }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(text === undefined ? {} : { body: { kind: contains === undefined ? 'matches' : 'contains', text } }),
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
  }
}

/** Set by Holdfast, or what would change where a request ends. */
const reserved = ['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'expect']
const secretive = /^(?:proxy-)?authorization$|cookie|token|secret|passw|api-?key|credential/i

function readHeaders(shapes: HttpShape['headers'], path: Path, report: Report): CheckHeader[] | undefined {
  const headers: CheckHeader[] = []
  const seen = new Set<string>()
  let whole = true
  const refuse = (...says: readonly [Path, string, string, string, boolean?]) => {
    whole = false
    report(...says)
  }
  for (const [text, value] of Object.entries(shapes)) {
    const name = text.toLowerCase()
    const at = [...path, text]
    if (seen.has(name)) refuse(at, 'each header once', `${quoted(text)} again`, 'keep one of the two', true)
    else if (reserved.includes(name))
      refuse(
        at,
        'a header that does not steer the connection',
        quoted(text),
        name === 'host' ? 'use host' : 'remove it',
        true,
      )
    else if (typeof value !== 'string') {
      const secret = secretSourceOf(value, at, report)
      if (secret === undefined) whole = false
      else headers.push({ name, secret, prefix: value.prefix })
    } else if (secretive.test(name))
      refuse(
        at,
        'where the value is: { file: PATH } or { env: HOLDFAST_NAME }',
        'a value (not shown: it may be a secret)',
        'put it into a file that only its owner can read, or into the environment',
      )
    else headers.push({ name, value })
    seen.add(name)
  }
  return whole ? headers.sort((a, b) => (a.name < b.name ? -1 : 1)) : undefined
}

/** One of file and env. */
export function secretSourceOf(
  { file, env }: { readonly file?: string | undefined; readonly env?: string | undefined },
  where: Path,
  report: Report,
): SecretSource | undefined {
  if (file !== undefined && env === undefined) return { kind: 'file', file }
  if (env !== undefined && file === undefined) return { kind: 'env', env }
  report(where, 'one of file and env', file === undefined ? 'neither' : 'both', 'keep one')
  return undefined
}

/** What is no data, or only asked for (RFC 6895, section 3.1). */
const metaTypes = [41, 249, 250, 251, 252, 253, 254, 255]

function readDns(shape: NonNullable<Shapes['dns']>, path: Path, report: Report): Check | undefined {
  const name = parseName(shape.name)
  const type = shape.type.toUpperCase()
  const number = typeFromText(type)
  const rcode = shape.rcode.toUpperCase()
  let whole = true
  const refuse: Report = (...says) => {
    whole = false
    report(...says)
  }
  if (isProblem(name)) refuse([...path, 'name'], name.expected, quoted(shape.name), name.todo)
  if (number === undefined || metaTypes.includes(number))
    refuse([...path, 'type'], 'a type of record, such as A, AAAA or SOA', quoted(shape.type), 'correct it')
  if (!Object.hasOwn(Rcode, rcode)) {
    const near = didYouMean(rcode, Object.keys(Rcode))
    const todo = near === undefined ? 'correct it' : `did you mean ${near}?`
    refuse([...path, 'rcode'], 'a response code, such as NOERROR or NXDOMAIN', quoted(shape.rcode), todo)
  }
  if (!whole || isProblem(name) || number === undefined) return undefined
  const answer = [shape.answer ?? []].flat()
  for (const [index, text] of answer.entries()) {
    if (!isProblem(rdataFromText(number, text, nameFromText(name)))) continue
    const at = Array.isArray(shape.answer) ? [...path, 'answer', index] : [...path, 'answer']
    refuse(at, `data of a record of type ${type}`, quoted(text), 'correct it')
  }
  return whole ? { kind: 'dns', port: shape.port, name, type, transport: shape.transport, rcode, answer } : undefined
}

export const placeholders = ['address', 'port', 'target', 'pool'] as const

function readCommand(shape: NonNullable<Shapes['command']>, path: Path, report: Report): Check | undefined {
  const { run, port = null } = shape
  let whole = isNonEmpty(run)
  for (const [index, text] of run.entries())
    for (const [found, word = ''] of text.matchAll(/\{([A-Za-z]+)\}/g)) {
      const where = [...path, 'run', index]
      if (word === 'port' && port === null) {
        whole = false
        report(where, 'a port for {port}', 'none', 'add port to the command')
      } else if (!(placeholders as readonly string[]).includes(word)) {
        whole = false
        const near = didYouMean(word, placeholders)
        const todo = near === undefined ? 'correct it' : `did you mean {${near}}?`
        report(where, `one of ${placeholders.map((one) => `{${one}}`).join(', ')}`, quoted(found), todo)
      }
    }
  return whole ? { kind: 'command', run: run as unknown as NonEmpty<string>, port } : undefined
}

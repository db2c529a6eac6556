/**
 * Checks that the World can make: TCP, plain HTTP and DNS. The laboratory has no others.
 *
 * Every check has a connection of its own and closes it. One that is kept would go on passing where nobody
 * can connect any more, or stay with a machine that its address has left; and 10,000 of them would be 10,000
 * descriptors held in calm, and all to be made anew in a crisis.
 */

import { assert } from '../base/assert.ts'
import { askUdp, openDns } from '../dns/client.ts'
import { messageOf } from '../dns/message.ts'
import { nameFromText } from '../dns/name.ts'
import { Class, typeFromText } from '../dns/types.ts'
import type { CheckHeader, DnsCheck, HttpCheck } from '../model/check.ts'
import type { ReadSecret } from '../model/secret.ts'
import type { Address, World } from '../world/world.ts'
import { type Checker, couldNotLook, type Look, pass } from './checker.ts'
import { judgeDns, judgeFailure, judgeHttp } from './judge.ts'

export interface WorldCheckerOptions {
  readonly secret?: ReadSecret
  /** At least one of these accepts TCP connections, or else this prober is blind. None: it always sees. */
  readonly canaries?: readonly Address[]
}

const noSecrets: ReadSecret = () => ({ kind: 'unreadable', why: 'this program reads no secrets' })

export function worldChecker(
  world: Pick<World, 'net' | 'clock' | 'random'>,
  { secret = noSecrets, canaries = [] }: WorldCheckerOptions = {},
): Checker {
  const connects = async (to: Address, timeoutMs: number): Promise<Look> => {
    const connected = await world.net.connect(to, timeoutMs)
    if (connected.kind === 'failure') return judgeFailure(connected)
    connected.connection.close()
    return pass
  }
  return {
    async check(check, { address }, timeoutMs) {
      switch (check.kind) {
        case 'tcp':
          return await connects({ host: address, port: check.port }, timeoutMs)
        case 'dns':
          return await askDns(world, check, { host: address, port: check.port }, timeoutMs)
        case 'http': {
          if (check.tls !== undefined) return couldNotLook('this program does not speak TLS')
          const headers = headersOf(check, secret)
          if (!('sent' in headers)) return headers
          const { method = 'GET', path, port } = check
          const reply = await world.net.request(
            { method, to: { host: address, port }, path, headers: headers.sent },
            timeoutMs,
          )
          return reply.kind === 'failure' ? judgeFailure(reply) : judgeHttp(check, reply)
        }
        default:
          return couldNotLook(`this program cannot make a ${check.kind} check`)
      }
    },
    async canary(timeoutMs) {
      if (canaries.length === 0) return pass
      const looks = await Promise.all(canaries.map((to) => connects(to, timeoutMs)))
      if (looks.some(({ kind }) => kind === 'pass')) return pass
      const named = canaries.map(({ host, port }) => `${host} port ${port}`).join(', ')
      return couldNotLook(`none of the canaries answers: ${named}`)
    },
  }
}

/** All headers of a request, or why they cannot be said. */
export function headersOf(
  { host, headers = [] }: Pick<HttpCheck, 'host' | 'headers'>,
  secret: ReadSecret,
): { readonly sent: Readonly<Record<string, string>> } | Extract<Look, { kind: 'could-not-look' }> {
  const sent: Record<string, string> = { 'user-agent': 'holdfast-prober', connection: 'close' }
  if (host !== null) sent.host = host
  for (const header of headers) {
    const value = wordsOf(header, secret)
    if (typeof value !== 'string') return value
    sent[header.name] = value
  }
  return { sent }
}

function wordsOf(header: CheckHeader, secret: ReadSecret): string | Extract<Look, { kind: 'could-not-look' }> {
  if ('value' in header) return header.value
  const found = secret(header.secret)
  const refused = (why: string) =>
    ({ kind: 'could-not-look', why: `the header ${header.name} cannot be sent: ${why}` }) as const
  if (found.kind === 'unreadable') return refused(found.why)
  // Node would refuse it in an error that repeats it.
  return /^[\t\x20-\x7e]*$/.test(found.text)
    ? header.prefix + found.text
    : refused('its secret is not text of printable ASCII')
}

async function askDns(
  world: Pick<World, 'net' | 'clock' | 'random'>,
  check: DnsCheck,
  to: Address,
  timeoutMs: number,
): Promise<Look> {
  const name = nameFromText(check.name)
  const type = typeFromText(check.type)
  assert(name !== undefined && type !== undefined, `expected a question that the configuration has checked, found none`)
  const message = messageOf({ rd: true, questions: [{ name, type, class: Class.IN }] })
  if (check.transport === 'udp') {
    const reply = await askUdp(world, to, message, { timeoutMs })
    return reply.kind === 'failure' ? judgeFailure(reply) : judgeDns(check, reply.message)
  }
  const connection = openDns(world, to, { timeoutMs })
  const reply = await connection.exchange(message)
  connection.close()
  return reply.kind === 'failure' ? judgeFailure(reply) : judgeDns(check, reply.message)
}

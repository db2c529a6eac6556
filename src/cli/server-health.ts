/** Asks the built-in DNS server whether it answers: a real question to each address that it listens at. */
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { addressText, isUnspecified } from '../config/units.ts'
import { askUdp } from '../dns/client.ts'
import { messageOf } from '../dns/message.ts'
import { nameFromText } from '../dns/name.ts'
import { Class, Rcode, rcodeText, Type } from '../dns/types.ts'
import { nodeWorld } from '../world/node.ts'
import type { Address } from '../world/world.ts'
import { runningRecord } from './processes.ts'

export interface ServerHealth {
  readonly ok: boolean
  /** Where it listens, all of it. */
  readonly at: string
  /** Of a server that was started here and still runs. */
  readonly pid: number | null
  readonly detail: string
}

export const serverRecordPath = (config: Pick<Config, 'state'>): string => join(config.state, 'run', 'server.json')

export const quietWorld = (id: string) => nodeWorld({ id, onTrace: () => {} })

export async function askServer(config: Config, timeoutMs = 1500): Promise<ServerHealth> {
  const listen = config.server?.listen ?? []
  const zone = config.server?.zones[0]?.name
  const pid = runningRecord(serverRecordPath(config))?.pid ?? null
  const at = listen.map(addressText).join(', ')
  const replies = await Promise.all(listen.map((address) => askSoa(reachable(address), zone ?? '.', timeoutMs)))
  const bad = replies.findIndex((detail) => detail !== null)
  if (bad < 0) return { ok: true, at, pid, detail: 'answers' }
  return { ok: false, at, pid, detail: `${addressText(listen[bad] as Address)}: ${replies[bad]}` }
}

const reachable = ({ host, port }: Address): Address =>
  isUnspecified(host) ? { host: host === '::' ? '::1' : '127.0.0.1', port } : { host, port }

/** Null, or why there is no authoritative answer. */
async function askSoa(to: Address, zone: string, timeoutMs: number): Promise<string | null> {
  const name = nameFromText(zone)
  if (name === undefined) return `the zone ${zone} is not a name`
  const question = messageOf({ questions: [{ name, type: Type.SOA, class: Class.IN }] })
  const reply = await askUdp(quietWorld('cli'), to, question, { timeoutMs })
  if (reply.kind === 'failure') return `${reply.reason}: ${reply.detail}`
  if (reply.message.rcode !== Rcode.NOERROR) return `answers ${rcodeText(reply.message.rcode)} for ${zone}`
  return reply.message.aa ? null : `is not authoritative for ${zone}`
}

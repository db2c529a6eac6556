/**
 * What HAProxy answers, as values. Versions add columns, lines and words: what is not known is skipped,
 * what is needed and missing makes the whole answer undefined, and nothing throws.
 */
import { type IpAddress, parseIp } from '../model/address.ts'
import type { SlotState } from '../model/haproxy.ts'

/** Cuts what comes in interactive mode into answers, one for each command: each ends with a line `> `. */
export class ReplySplitter {
  #rest = ''
  readonly #decoder = new TextDecoder()

  push(bytes: Uint8Array): string[] {
    const from = Math.max(0, this.#rest.length - 2)
    this.#rest += this.#decoder.decode(bytes, { stream: true })
    const replies: string[] = []
    let start = 0
    for (let end = this.#rest.indexOf('\n> ', from); end >= 0; end = this.#rest.indexOf('\n> ', start)) {
      replies.push(this.#rest.slice(start, end).replace(/^\n+|\n+$/g, ''))
      start = end + 3
    }
    this.#rest = this.#rest.slice(start)
    return replies
  }

  /** Of an answer that has not ended. */
  get pending(): number {
    return this.#rest.length
  }
}

export interface Info {
  readonly version: string
  readonly pid: number
  /** An older process that only ends what it has begun, after a reload. */
  readonly stopping: boolean
}

/** `show info`. */
export function parseInfo(text: string): Info | undefined {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim())
  }
  const version = fields.get('Version')
  const pid = Number(fields.get('Pid'))
  if (version === undefined || version === '' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
  return { version, pid, stopping: (fields.get('Stopping') ?? '0') !== '0' }
}

/** `2.6.12-1+deb12u4`, `3.1-dev3`, `2.8.0` → the first two numbers. */
export function parseVersion(text: string): { readonly major: number; readonly minor: number } | undefined {
  const match = /^v?(\d{1,4})\.(\d{1,4})(?:[^\d]|$)/.exec(text)
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) }
}

export interface Server {
  readonly backend: string
  readonly name: string
  readonly id: number
  /** Null: HAProxy has none for it. */
  readonly address: IpAddress | null
  readonly port: number
  readonly state: SlotState
  /** The one that was set, not the one that a slow start makes of it. */
  readonly weight: number
  /** HAProxy's own health checks or agent checks are configured. */
  readonly checked: boolean
  /** It has a name, and only then its address comes back from a state file. */
  readonly named: boolean
  /** Seconds since its state changed. */
  readonly unchangedFor: number
}

/** Bits of `srv_admin_state`. */
const maintenance = 0x01 | 0x02 | 0x20 | 0x40
const draining = 0x08 | 0x10
/** Bit of `srv_check_state` and `srv_agent_state`: there is such a check. */
const configured = 0x02

/** `show servers state`, version 1 of its format: one line a server, columns by the names in its heading. */
export function parseServersState(text: string): readonly Server[] | undefined {
  const lines = text.split('\n')
  if (lines[0]?.trim() !== '1') return undefined
  const heading = lines.find((line) => line.startsWith('# '))
  if (heading === undefined) return undefined
  const columns = heading.slice(2).trim().split(' ')
  const at = (name: string) => columns.indexOf(name)
  const needed = {
    backend: at('be_name'),
    id: at('srv_id'),
    name: at('srv_name'),
    address: at('srv_addr'),
    admin: at('srv_admin_state'),
    weight: at('srv_uweight'),
    port: at('srv_port'),
  }
  if (Object.values(needed).includes(-1)) return undefined
  const [check, agent, fqdn, changed] = [
    at('srv_check_state'),
    at('srv_agent_state'),
    at('srv_fqdn'),
    at('srv_time_since_last_change'),
  ]
  const servers: Server[] = []
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue
    const fields = line.split(' ')
    const number = (index: number) => (index < 0 ? 0 : Number(fields[index] ?? Number.NaN))
    const backend = fields[needed.backend]
    const name = fields[needed.name]
    const admin = number(needed.admin)
    const [id, weight, port] = [number(needed.id), number(needed.weight), number(needed.port)]
    if (backend === undefined || name === undefined) continue
    if (![admin, id, weight, port].every((value) => Number.isInteger(value) && value >= 0)) continue
    servers.push({
      backend,
      name,
      id,
      address: parseIp(fields[needed.address] ?? '') ?? null,
      port,
      state: (admin & maintenance) !== 0 ? 'maint' : (admin & draining) !== 0 ? 'drain' : 'ready',
      weight,
      checked: ((number(check) | number(agent)) & configured) !== 0,
      named: fqdn < 0 || (fields[fqdn] ?? '-') !== '-',
      unchangedFor: Math.max(0, number(changed) || 0),
    })
  }
  return servers
}

/** `show stat … csv`: the heading's names to each line's values. Quoted fields may hold commas. */
export function parseStat(text: string): readonly ReadonlyMap<string, string>[] | undefined {
  const [heading, ...lines] = text.split('\n')
  if (heading === undefined || !heading.startsWith('# ')) return undefined
  const names = csvFields(heading.slice(2))
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => new Map(csvFields(line).map((value, index) => [names[index] ?? `${index}`, value])))
}

function csvFields(line: string): string[] {
  const fields: string[] = []
  for (let start = 0; start <= line.length; ) {
    if (line[start] === '"') {
      let text = ''
      let end = start + 1
      for (; end < line.length; end++) {
        if (line[end] !== '"') text += line[end]
        else if (line[end + 1] === '"') text += line[++end]
        else break
      }
      fields.push(text)
      const comma = line.indexOf(',', end)
      start = comma < 0 ? line.length + 1 : comma + 1
    } else {
      const comma = line.indexOf(',', start)
      fields.push(line.slice(start, comma < 0 ? line.length : comma))
      start = comma < 0 ? line.length + 1 : comma + 1
    }
  }
  return fields
}

/** `show stat … typed`: each process, object and field by its path, such as `S.3.1 svname`. */
export function parseTyped(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z]\.\d+\.\d+)\.\d+\.([^.:]+)\.\d+:[A-Za-z]*:[a-z0-9]+:(.*)$/.exec(line)
    if (match !== null) fields.set(`${match[1]} ${match[2]}`, match[3] ?? '')
  }
  return fields
}

/** The answer to a `set server`: undefined when it was done, else what HAProxy says against it. */
export function refusalIn(reply: string): string | undefined {
  if (reply === '' || /^(?:IP changed from|no need to change|nothing changed|port changed from)/.test(reply))
    return undefined
  return reply.split('\n')[0]?.slice(0, 200) ?? ''
}

/** The address in the column `addr` of `show stat`: `127.0.0.1:80`, `[::1]:80`. */
export function parseStatAddress(text: string): IpAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):\d+$/.exec(text)
  return match === null ? undefined : parseIp(match[1] ?? match[2] ?? '')
}

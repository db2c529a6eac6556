/** HAProxy's runtime API as a model: servers in memory, the commands that Holdfast sends, answers as version 2.6.12 words them. */
import type { RuntimeSocket, RuntimeStream } from '../../src/balance/runtime-socket.ts'
import { type IpAddress, parseIp } from '../../src/model/address.ts'
import type { SlotState } from '../../src/model/haproxy.ts'
import type { Failure } from '../../src/world/world.ts'

export interface ModelServer {
  readonly id: number
  address: IpAddress
  port: number
  weight: number
  state: SlotState
  named: boolean
  checked: boolean
}

export class HaproxyModel {
  version = '2.6.12-1+deb12u4'
  level = 'admin'
  algorithm = 'roundrobin'
  stopping = false
  /** Refuses connections. */
  gone = false
  /** One connection at a time; others wait, as with `maxconn 1`. */
  exclusive = true
  readonly backends = new Map<string, Map<string, ModelServer>>()
  /** Every command obeyed, in order. */
  readonly obeyed: string[] = []
  /** Called before and after each command. */
  beforeEach: (command: string) => void = () => {}
  afterEach: (command: string) => void = () => {}
  readonly #open: ModelStream[] = []

  constructor(backend: string, slots: number) {
    const servers = new Map<string, ModelServer>([['holdfast-generation', blank(1, 0)]])
    for (let slot = 1; slot <= slots; slot++) servers.set(`slot${slot}`, blank(slot + 1, 1))
    this.backends.set(backend, servers)
  }

  server(backend: string, name: string): ModelServer {
    const found = this.backends.get(backend)?.get(name)
    if (found === undefined) throw new Error(`expected a server ${backend}/${name}, found none`)
    return found
  }

  /** Weights of those that get new connections, by `address:port`. */
  serving(backend: string): Map<string, number> {
    const found = [...(this.backends.get(backend)?.values() ?? [])].filter(
      ({ state, weight }) => state === 'ready' && weight > 0,
    )
    return new Map(found.map(({ address, port, weight }) => [`${address}:${port}`, weight]))
  }

  readonly socket: RuntimeSocket = {
    connect: async () => {
      if (this.gone) return { kind: 'failure', reason: 'refused', detail: 'connect ECONNREFUSED' }
      const stream = new ModelStream(this)
      this.#open.push(stream)
      return { kind: 'connected', stream }
    },
  }

  admits(stream: ModelStream): boolean {
    return !this.exclusive || this.#open[0] === stream
  }

  leave(stream: ModelStream): void {
    const index = this.#open.indexOf(stream)
    if (index >= 0) this.#open.splice(index, 1)
    this.#open[0]?.serve()
  }

  /** Ends all connections, as a restart does. */
  cut(): void {
    for (const stream of [...this.#open]) stream.end()
  }

  answer(command: string): string {
    this.obeyed.push(command)
    this.beforeEach(command)
    const text = this.#answer(command)
    this.afterEach(command)
    return text
  }

  #answer(command: string): string {
    if (command === 'show info')
      return `Name: HAProxy\nVersion: ${this.version}\nPid: 4711\nStopping: ${this.stopping ? 1 : 0}\n`
    if (command === 'show cli level') return `${this.level}\n`
    if (command.startsWith('set timeout cli ')) return ''
    if (command === 'show servers state') return this.#serversState()
    const stat = /^show stat (\S+) (\d) (-?\d+)$/.exec(command)
    if (stat !== null) return this.#stat(stat[1] ?? '', stat[2] ?? '', Number(stat[3]))
    const set = /^set server ([^/]+)\/(\S+) (weight|state|addr) (.*)$/.exec(command)
    if (set !== null) return this.#set(set[1] ?? '', set[2] ?? '', set[3] ?? '', (set[4] ?? '').split(' '))
    return `Unknown command: '${command}', but maybe one of the following ones is a better match:\n  help\n`
  }

  #set(backend: string, name: string, what: string, [value = '', , port]: readonly string[]): string {
    const servers = this.backends.get(backend)
    if (servers === undefined) return 'No such backend.\n'
    const server = servers.get(name)
    if (server === undefined) return 'No such server.\n'
    if (what === 'weight') {
      if (Number(value) > 256) return 'Absolute weight can only be between 0 and 256 inclusive.\n'
      server.weight = Number(value)
    } else if (what === 'state') server.state = value as SlotState
    else {
      const address = parseIp(value)
      if (address === undefined) return 'Invalid addr family.\n'
      server.address = address
      if (port !== undefined) server.port = Number(port)
      return `IP changed from 'a' to '${address}', no need to change the port by 'stats socket command'\n`
    }
    return ''
  }

  #serversState(): string {
    const heading =
      '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'
    const rows = [...this.backends].flatMap(([backend, servers]) =>
      [...servers].map(([name, { id, address, port, weight, state, named, checked }]) => {
        const admin = state === 'maint' ? 5 : state === 'drain' ? 12 : 4
        return `3 ${backend} ${id} ${name} ${address} ${state === 'maint' ? 0 : 2} ${admin} ${weight} 1 9 1 0 0 ${checked ? 6 : 8} 0 0 0 ${named ? 'unset.holdfast.invalid' : '-'} ${port} - 0 0 - - 0`
      }),
    )
    return `1\n${heading}\n${rows.join('\n')}\n`
  }

  #stat(backend: string, type: string, id: number): string {
    const servers = this.backends.get(backend)
    if (servers === undefined) return 'No such proxy.\n'
    if (type === '2') return `# pxname,svname,algo,\n${backend},BACKEND,${this.algorithm},\n`
    const row = [...servers].find(([, server]) => server.id === id)
    if (row === undefined) return '# pxname,svname,addr,\n'
    const [name, { address, port }] = row
    return `# pxname,svname,addr,\n${backend},${name},${address.includes(':') ? `[${address}]` : address}:${port},\n`
  }
}

const blank = (id: number, weight: number): ModelServer => ({
  id,
  address: '127.0.0.1' as IpAddress,
  port: 9,
  weight,
  state: 'maint',
  named: true,
  checked: false,
})

class ModelStream implements RuntimeStream {
  readonly #model: HaproxyModel
  #in = ''
  #out = ''
  #interactive = false
  #ended: Failure | undefined
  #news = Promise.withResolvers<void>()

  constructor(model: HaproxyModel) {
    this.#model = model
  }

  async write(text: string): Promise<Failure | { readonly kind: 'sent' }> {
    if (this.#ended !== undefined) return this.#ended
    this.#in += text
    this.serve()
    return { kind: 'sent' }
  }

  serve(): void {
    if (!this.#model.admits(this)) return
    const lines = this.#in.split('\n')
    this.#in = lines.pop() ?? ''
    for (const line of lines) {
      const text = line === 'prompt' ? '' : this.#model.answer(line)
      this.#interactive ||= line === 'prompt'
      this.#out += this.#interactive ? `${text}\n> ` : `${text}\n`
    }
    this.#news.resolve()
  }

  async read(timeoutMs: number): Promise<Failure | { readonly kind: 'bytes'; readonly bytes: Uint8Array }> {
    if (this.#out === '' && this.#ended === undefined) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs)
      })
      this.#news = Promise.withResolvers()
      await Promise.race([this.#news.promise, late])
      clearTimeout(timer)
    }
    const out = this.#out
    this.#out = ''
    if (out !== '') return { kind: 'bytes', bytes: Buffer.from(out) }
    return this.#ended ?? { kind: 'failure', reason: 'timeout', detail: `nothing in ${timeoutMs} ms` }
  }

  end(): void {
    this.#ended ??= { kind: 'failure', reason: 'closed', detail: 'closed' }
    this.#model.leave(this)
    this.#news.resolve()
  }

  close(): void {
    this.end()
  }
}

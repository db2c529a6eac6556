/**
 * A simulated host on which the built-in DNS server runs: its own code for requests, updates, guards and
 * answers, with its copy on a simulated disk. Enactors reach it as they reach any server, by RFC 2136 with
 * TSIG over the simulated network.
 *
 * What the checks see is what its own answer code says to a question, asked without a network.
 */
import { assert } from '../../src/base/assert.ts'
import { describeProblem, isProblem } from '../../src/base/problem.ts'
import { masterLine } from '../../src/dns/master.ts'
import { decodeMessage, encodeMessage, isMalformed, messageOf, type ResourceRecord } from '../../src/dns/message.ts'
import { fold, nameFromText, type WireName } from '../../src/dns/name.ts'
import { txtData } from '../../src/dns/rdata.ts'
import { signMessage, TsigKey } from '../../src/dns/tsig.ts'
import { Class, Rcode, Type } from '../../src/dns/types.ts'
import { addRecord, deleteRrset, type Update, updateMessage } from '../../src/dns/update.ts'
import { markerNameOf, type Name } from '../../src/model/name.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { rfc2136Provider } from '../../src/providers/rfc2136/rfc2136.ts'
import { publishedOf } from '../../src/providers/rfc2136/transaction.ts'
import { answer, lengthOf } from '../../src/serve/answer.ts'
import { copyIn } from '../../src/serve/copy.ts'
import { tcpHandler, type UdpHandler, udpHandler } from '../../src/serve/handlers.ts'
import type { RequestContext } from '../../src/serve/request.ts'
import { openService } from '../../src/serve/service.ts'
import { defaultSoa, type ServedZone } from '../../src/serve/settings.ts'
import type { TcpHandler } from '../../src/serve/tcp.ts'
import type { Updater } from '../../src/serve/updater.ts'
import type { Store } from '../../src/store/store.ts'
import type { Address, TraceEvent, World } from '../../src/world/world.ts'
import {
  type Authority,
  type AuthorityListener,
  type AuthorityWeather,
  calmAuthority,
  nothing,
  type Standing,
} from './authority.ts'
import { SimulatedDisk } from './disk.ts'
import { Journal } from './journal.ts'
import { type Kernel, type Micros, ms, type Process } from './kernel.ts'
import { calm, type Network } from './network.ts'
import { additions, deletions, endpointOf, endpointsIn } from './standing-updates.ts'
import type { Listener } from './world.ts'
import { epoch } from './world.ts'

/** Of every process that may write, and of the hand. The lab needs to tell them apart, not to keep them apart. */
const keyOf = (id: string, octet = 7): TsigKey =>
  new TsigKey({
    name: nameFromText(`${id}.`) as WireName,
    algorithm: 'hmac-sha256',
    secret: new Uint8Array(32).fill(octet),
  })

/** A key that the server knows and that may change nothing. */
const otherKey = keyOf('other')

/** What is put in the place of a part of the server: planted bugs. */
export interface ServerSubstitutes {
  store?(store: Store): Store
  context?(context: RequestContext): RequestContext
  /** The reply to a datagram. */
  reply?(question: Uint8Array, reply: Uint8Array): Uint8Array
}

export interface ServerOptions {
  readonly id: string
  readonly zone: Name
  readonly address: Address
  /** Ids of the processes that may update the zone. */
  readonly writers: readonly string[]
  readonly listener: Listener
}

/** Where a message came from, and when it set out. */
interface Origin {
  readonly from: string
  readonly sent: Micros
}

interface Serving {
  readonly context: RequestContext
  readonly tcp: TcpHandler
  readonly udp: UdpHandler
}

const supervisedMs = 500
const hand = 'hand'

export class SimulatedServer implements Authority {
  onChange: AuthorityListener = () => {}
  substitutes: ServerSubstitutes = {}
  readonly process: Process
  readonly disk: SimulatedDisk
  readonly #kernel: Kernel
  readonly #network: Network
  readonly #options: ServerOptions
  readonly #journal: Journal
  readonly #keys: ReadonlyMap<WireName, TsigKey>
  readonly #standing = new Map<Name, Standing>()
  /** Updates of each name that are being worked on, by who sent them. */
  readonly #running = new Map<Name, string[]>()
  /** Names of which nobody can say whether the latest updates were carried out, and who sent those. */
  readonly #uncertain = new Map<Name, readonly string[]>()
  /** Put there by hand before the server was first started. */
  readonly #initial: ResourceRecord[] = []
  readonly #replies = new Map<number, (bytes: Uint8Array) => void>()
  #asked = 0
  #origin: Origin = { from: hand, sent: 0 }
  #serving: Serving | null = null
  #started = false
  /** The disk was replaced: what comes back is what a hand put there. */
  #replaced = false
  #wasReplaced = false
  #backup: Uint8Array | null = null
  #weather: AuthorityWeather = calmAuthority
  /** Signed updates that went by, for whoever sends one of them again. */
  readonly #seen: { readonly bytes: Uint8Array; readonly from: string }[] = []

  constructor(kernel: Kernel, network: Network, options: ServerOptions) {
    this.#kernel = kernel
    this.#network = network
    this.#options = options
    this.disk = new SimulatedDisk(kernel, options.id)
    this.#journal = new Journal(this.disk, kernel.seed, options.id)
    const keys = [...[...options.writers, hand].map((id) => keyOf(id)), otherKey]
    this.#keys = new Map(keys.map((key) => [key.name, key]))
    this.process = kernel.add(options.id, (self) => this.#run(self))
    network.listen(options.address, {
      process: this.process,
      message: (bytes, transport, from, reply, sent) => this.#take(bytes, transport, { from, sent }, reply),
    })
  }

  at(name: Name): Standing {
    return this.#standing.get(name) ?? nothing
  }

  names(): Iterable<Name> {
    return this.#standing.keys()
  }

  of(process: Process, world: World): Provider {
    return rfc2136Provider(world, {
      address: this.#options.address,
      key: keyOf(process.id),
      timeoutMs: this.#weather.patience / 1000,
    })
  }

  get weather(): AuthorityWeather {
    return this.#weather
  }

  /** Delay and loss are those of its links; what else a real server does wrong comes from its disk. */
  set weather(weather: AuthorityWeather) {
    this.#weather = weather
    this.#network.setLink(this.process.id, { ...calm, delay: weather.delay, drop: weather.lost })
    this.disk.weather = { ...this.disk.weather, failing: weather.servfail }
  }

  get up(): boolean {
    return !this.#network.isSilent(this.process.id)
  }

  /** Down: nothing comes through to it or from it; it runs on. */
  set up(up: boolean) {
    this.#network.silence(this.process.id, !up)
  }

  cut(process: string): void {
    this.#network.cut(process, this.process.id)
    this.#network.cut(this.process.id, process)
  }

  mend(process: string): void {
    this.#network.mend(process, this.process.id)
    this.#network.mend(this.process.id, process)
  }

  mendAll(): void {
    for (const { id } of this.#kernel.processes) this.mend(id)
  }

  /** By somebody who has a key: the server's guards judge it as they judge everybody. */
  tamper(name: Name, now: Partial<Standing>): void {
    const wanted = { ...this.at(name), ...now }
    const records = additions(name, wanted)
    if (!this.#started) {
      this.#initial.push(...records.map(({ record }) => record))
      this.#standing.set(name, wanted)
      return
    }
    this.#send(this.#signed(this.#replacing(name, records), keyOf(hand)), hand)
  }

  /** A record beside what stands there, by hand. An empty text takes it away again. */
  addText(name: Name, text: string): void {
    const owner = nameFromText(name) as WireName
    const update = text === '' ? deleteRrset(owner, Type.TXT) : addRecord(owner, Type.TXT, 60, txtData([text]))
    const bytes = encodeMessage(updateMessage(1, nameFromText(this.#options.zone) as WireName, [], [update]))
    this.#send(this.#signed(bytes, keyOf(hand)), hand)
  }

  /** The guards have nothing against what he wants: only his key. */
  intrude(name: Name, how: 'unsigned' | 'forged' | 'other-key'): void {
    const [strings = []] = this.at(name).marker
    const generation = Number(strings[1]?.slice(2) ?? 0) + 1
    const marker = [['v=holdfast1', `g=${generation}`, 'd=0123456789abcdef', 'o=lab', 'w=192.0.2.66*1']]
    const bytes = this.#replacing(
      name,
      additions(name, { marker, addresses: ['192.0.2.66' as never], alias: null, ttl: 5 }),
    )
    const key = how === 'forged' ? keyOf(this.#options.writers[0] as string, 6) : otherKey
    this.#send(how === 'unsigned' ? bytes : this.#signed(bytes, key), 'intruder')
  }

  #replacing(name: Name, records: readonly Update[]): Uint8Array {
    const zone = nameFromText(this.#options.zone) as WireName
    return encodeMessage(updateMessage(1, zone, [], [...deletions(name, this.at(name)), ...records]))
  }

  #signed(bytes: Uint8Array, key: TsigKey): Uint8Array {
    return signMessage(bytes, key, { timeSeconds: this.#nowSeconds() }).bytes
  }

  /**
   * An update that went by some time ago comes once more. Markers keep it from doing anything; on a disk that
   * was replaced there are none, and it is one more hand's doing.
   */
  replay(which: number): void {
    const seen = this.#seen[which % Math.max(1, this.#seen.length)]
    if (seen !== undefined) this.#send(seen.bytes, seen.from === hand || this.#wasReplaced ? hand : 'replay')
  }

  /** Process and power at once: what was not synced is torn. */
  losePower(): void {
    this.#kernel.crash(this.process)
    this.disk.losePower()
  }

  makeBackup(): void {
    this.#backup = this.disk.read().slice()
  }

  forgetBackup(): void {
    this.#backup = null
  }

  /** Another disk, with the backup on it, or with nothing. False if there is no backup. The server is stopped for it. */
  putBack(empty: boolean): boolean {
    const bytes = empty ? new Uint8Array() : this.#backup
    if (bytes === null) return false
    this.#kernel.crash(this.process)
    this.disk.replace(bytes)
    this.#replaced = true
    this.#wasReplaced = true
    return true
  }

  get address(): Address {
    return this.#options.address
  }

  get wasStarted(): boolean {
    return this.#started
  }

  #send(bytes: Uint8Array, from: string): void {
    this.#kernel.after(0, this.process, () => this.#take(bytes, 'tcp', { from, sent: this.#kernel.now }, () => {}))
  }

  #nowSeconds(): number {
    const { driftPpm, wallOffsetMs } = this.process
    return Math.floor((epoch + (this.#kernel.now / 1000) * (1 + driftPpm / 1e6) + wallOffsetMs) / 1000)
  }

  #trace(event: TraceEvent, incarnation: number): void {
    if (incarnation !== this.process.incarnation) return
    this.#kernel.noteText(event.event)
    this.#options.listener(this.process, event)
  }

  /** What stands on the disk, and then whatever comes. A start that fails is tried again, as its supervisor does. */
  async #run(self: Process): Promise<never> {
    const { incarnation } = self
    this.#serving = null
    this.#started = true
    const trace = (event: TraceEvent) => this.#trace(event, incarnation)
    for (;;) {
      const opened = this.#journal.open(self)
      const store = this.substitutes.store?.(opened) ?? opened
      const copy = await copyIn(store, `disk of ${this.#options.id}`, `incarnation ${incarnation}`)
      const surroundings = {
        nowSeconds: () => this.#nowSeconds(),
        nowMs: () => this.#kernel.now / 1000,
        random: () => self.random.below(2 ** 32),
      }
      const settings = { zones: [this.#settings()], keys: this.#keys }
      const context = isProblem(copy) ? copy : await openService(settings, copy, surroundings, trace)
      if (!isProblem(context)) {
        this.#serve({ ...context, updater: this.#watched(context.updater, incarnation) })
        trace({ event: 'serve.started', zones: 1, names: this.#standing.size, listen: this.#options.address.host })
        return await new Promise<never>(() => {})
      }
      trace({ event: 'serve.not_started', reason: describeProblem(context) })
      await new Promise<void>((resolve) => this.#kernel.after(ms(supervisedMs), self, resolve, incarnation))
    }
  }

  #serve(context: RequestContext): void {
    const used = this.substitutes.context?.(context) ?? context
    const udp = udpHandler(used, (reply, port) => {
      this.#replies.get(port)?.(reply)
      this.#replies.delete(port)
    })
    this.#serving = { context: used, tcp: tcpHandler(used), udp }
    this.#replies.clear()
    const by = this.#replaced ? hand : null
    this.#replaced = false
    this.#look(null, (name) => by ?? this.#readBack(name), this.#kernel.now)
    this.#running.clear()
    this.#uncertain.clear()
  }

  #take(bytes: Uint8Array, transport: 'udp' | 'tcp', origin: Origin, reply: (bytes: Uint8Array) => void): void {
    const serving = this.#serving
    if (serving === null) return
    // Handlers run up to the submission of an update in this same turn.
    this.#origin = origin
    this.#keepForReplay(bytes, origin.from)
    if (transport === 'udp') {
      const port = this.#asked++
      const { reply: other } = this.substitutes
      this.#replies.set(port, other === undefined ? reply : (octets) => reply(other(bytes, octets)))
      serving.udp(bytes, port, origin.from)
    } else
      void serving.tcp(bytes, origin.from, (octets) => {
        reply(octets)
        return true
      })
  }

  #keepForReplay(bytes: Uint8Array, from: string): void {
    // Opcode UPDATE, with records to change.
    if ((bytes[2] ?? 0) >> 3 !== 5 || (bytes[8] === 0 && bytes[9] === 0)) return
    this.#seen.push({ bytes, from })
    if (this.#seen.length > 64) this.#seen.shift()
  }

  /** Says who changed what, once it is being answered from and before the sender hears so. */
  #watched(updater: Updater, incarnation: number): Updater {
    return {
      submit: async (message, key) => {
        const { from, sent } = this.#origin
        const names = endpointsIn(message)
        for (const name of names) this.#running.set(name, [...(this.#running.get(name) ?? []), from])
        const updated = await updater.submit(message, key)
        if (incarnation !== this.process.incarnation) return updated
        const failed = updated.rcode === Rcode.SERVFAIL
        for (const name of names) {
          if (failed) this.#uncertain.set(name, [...(this.#uncertain.get(name) ?? []), from])
          // One that changed nothing wrote nothing: what is on the disk is as uncertain as before.
          else if (updated.rcode === Rcode.NOERROR && !sameStanding(this.at(name), this.#ask(name)))
            this.#uncertain.delete(name)
          const running = this.#running.get(name) ?? []
          running.splice(running.indexOf(from), 1)
          if (running.length === 0) this.#running.delete(name)
        }
        if (updated.rcode === Rcode.NOERROR) this.#look(names, () => from, sent)
        // It may have been written all the same, and read back.
        if (failed) this.#look(null, (name) => this.#readBack(name), sent)
        return updated
      },
      drain: () => updater.drain(),
    }
  }

  /** Who changed a name that was read back from the disk: an update that nobody heard the end of, or nobody. */
  #readBack(name: Name): string {
    const senders = [...(this.#running.get(name) ?? []), ...(this.#uncertain.get(name) ?? [])]
    if (senders.length === 0) return 'restart'
    return senders.includes(hand) ? hand : 'recovered'
  }

  /** Compares what is answered now with what was; `names` null: at every name that there is or was. */
  #look(names: readonly Name[] | null, by: (name: Name) => string, sent: Micros): void {
    for (const name of names ?? this.#everyName()) {
      const before = this.at(name)
      const after = this.#ask(name)
      if (sameStanding(before, after)) continue
      this.#standing.set(name, after)
      this.#kernel.noteText(name)
      this.onChange(name, before, after, by(name), sent)
    }
  }

  #everyName(): readonly Name[] {
    const names = new Set(this.#standing.keys())
    const apex = fold(nameFromText(this.#options.zone) as WireName)
    for (const key of this.#serving?.context.table.zones.get(apex)?.keys() ?? []) {
      const endpoint = endpointOf(key)
      if (key !== apex && endpoint !== serverName(this.#options.zone)) names.add(endpoint)
    }
    return [...names]
  }

  #ask(name: Name): Standing {
    const owner = nameFromText(name) as WireName
    const marker = nameFromText(markerNameOf(name)) as WireName
    const {
      marker: strings,
      addresses,
      alias,
      ttl,
    } = publishedOf(name, {
      txt: this.#question(marker, Type.TXT),
      a: this.#question(owner, Type.A),
      aaaa: this.#question(owner, Type.AAAA),
    })
    return { marker: strings, addresses: [...addresses].sort(), alias, ttl }
  }

  /** What anybody would hear who asked here and now. */
  #question(name: WireName, type: number): readonly ResourceRecord[] {
    const serving = this.#serving
    assert(serving !== null, 'expected a server that answers, found none')
    const bytes = encodeMessage(messageOf({ id: 1, questions: [{ name, type, class: Class.IN }] }))
    const asking = { tcp: true, udpSize: 1232, reserve: 0, whole: true, random: () => 0 }
    const length = lengthOf(answer(serving.context.table, bytes, bytes.length, asking, octets))
    const reply = decodeMessage(octets.slice(0, length))
    return isMalformed(reply) ? [] : reply.answers
  }

  #settings(): ServedZone {
    const { zone, writers } = this.#options
    const ns = serverName(zone)
    return {
      name: zone,
      keys: [...writers, hand].map((id) => keyOf(id).name),
      soa: { mname: ns, rname: `hostmaster.${zone}` as Name, ...defaultSoa },
      ns: [ns],
      records: [`${ns} 3600 IN A ${this.#options.address.host}`, ...this.#initial.map(masterLine)].join('\n'),
    }
  }
}

const octets = new Uint8Array(0xffff)

const serverName = (zone: Name): Name => `ns1.${zone}` as Name

function sameStanding(a: Standing, b: Standing): boolean {
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b))
}

const canonical = ({ marker, addresses, alias, ttl }: Standing) => [
  marker.map((strings) => JSON.stringify(strings)).sort(),
  [...addresses].sort(),
  alias,
  ttl,
]

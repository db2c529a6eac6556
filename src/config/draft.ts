/**
 * The file's shape in the words of the model: names, addresses and durations read, references by
 * name, and for everything the place it came from. What does not even read is a finding; whether the
 * rest makes sense together is for `rules.ts`.
 */
import { isNonEmpty } from '../base/nonempty.ts'
import { isProblem } from '../base/problem.ts'
import { type IpAddress, parseIp } from '../model/address.ts'
import type { WeightedAddress } from '../model/answer.ts'
import { type Name, parseName, zoneOf } from '../model/name.ts'
import type { Endpoint, EndpointSource, Pool, Target } from '../model/policy.ts'
import type { Address } from '../world/world.ts'
import { type Report, readCheck } from './check.ts'
import { type IntakeConfig, type Reading, readDemand, readIntake } from './intake.ts'
import { type LeasesConfig, readLeases } from './leases.ts'
import { readLimits } from './limits.ts'
import { type Finding, type Path, type Place, quoted } from './problems.ts'
import type { EndpointShape, FileShape, PoolShape, ZoneShape } from './schema.ts'
import type { Broken, Section } from './shape.ts'
import { durationMs, readAddress } from './units.ts'

export interface DraftZone {
  readonly name: Name
  readonly path: Path
  readonly shape: ZoneShape
  /** Null for the built-in server. */
  readonly rfc2136: Address | null
  /** Undefined where it is not given, or not well. */
  readonly key: Name | undefined
}

export interface DraftPool {
  readonly pool: Pool
  readonly path: Path
  /** False if targets were left out, so that nothing is said about their number or sum. */
  readonly isWhole: boolean
}

export interface DraftEndpoint {
  readonly endpoint: Endpoint
  readonly where: Path | Place
}

/** What an endpoint that is left out names all the same. */
export interface Stray {
  readonly pool: string
  readonly where: Path | Place
}

export interface Draft {
  readonly owner: string
  readonly zones: ReadonlyMap<Name, DraftZone>
  /** Also those of zones that are not whole. */
  readonly zoneNames: ReadonlySet<Name>
  readonly keys: ReadonlyMap<Name, Path>
  readonly pools: ReadonlyMap<string, DraftPool>
  readonly endpoints: ReadonlyMap<Name, DraftEndpoint>
  readonly strays: readonly Stray[]
  /** Null where there is no built-in server; `listen` may then be reported and empty. */
  readonly server: { readonly listen: readonly Address[]; readonly http: Address | null } | null
  readonly http: Address | null
  /** Null where there is none, or none that is right. */
  readonly intake: IntakeConfig | null
  /** Null where there is none, or none that is right. */
  readonly leases: LeasesConfig | null
  /** Where probers of this machine look from, and what they look at to know that they can see. */
  readonly prober: { readonly site: string | null; readonly canary: readonly Address[] }
  /** Names that are in the file but not whole, by section: nothing is said to be missing because of them. */
  readonly broken: Broken
}

/** A line of a bulk file, or an entry of `endpoints`. */
export interface EndpointInput {
  readonly name: string
  readonly where: Path | Place
  readonly shape: EndpointShape
}

export function draftOf(
  shape: FileShape,
  broken: Broken,
  bulk: Iterable<EndpointInput>,
): { readonly draft: Draft; readonly findings: readonly Finding[] } {
  const maker = new DraftMaker(shape, broken)
  return { draft: maker.make(bulk), findings: maker.findings }
}

class DraftMaker {
  readonly findings: Finding[] = []
  readonly #shape: FileShape
  readonly #broken: Record<Section, Set<string> | 'all'> & Pick<Broken, 'targets'>
  readonly #zones = new Map<Name, DraftZone>()
  /** Those of `#zones`, and of entries that are not whole. */
  readonly #zoneNames = new Set<Name>()
  readonly #poolSources = new Map<string, EndpointSource>()
  readonly #strays: Stray[] = []

  constructor(shape: FileShape, broken: Broken) {
    this.#shape = shape
    this.#broken = {
      keys: copied(broken.keys),
      zones: copied(broken.zones),
      pools: copied(broken.pools),
      endpoints: copied(broken.endpoints),
      targets: broken.targets,
    }
  }

  make(bulk: Iterable<EndpointInput>): Draft {
    const { server, http, owner, prober, leases } = this.#shape
    this.#readZones()
    const keys = this.#readKeys()
    const pools = new Map<string, DraftPool>()
    for (const [id, shape] of Object.entries(this.#shape.pools)) {
      const path: Path = ['pools', id]
      const pool = this.#readPool(id, shape, path)
      if (pool === undefined) this.#leaveOut('pools', id)
      else {
        const isWhole = pool.targets.length === Object.keys(shape.targets).length && !this.#broken.targets.has(id)
        pools.set(id, { pool, path, isWhole })
      }
    }
    const endpoints = new Map<Name, DraftEndpoint>()
    for (const [name, shape] of Object.entries(this.#shape.endpoints))
      this.#addEndpoint(endpoints, { name, shape, where: ['endpoints', name] })
    for (const input of bulk) this.#addEndpoint(endpoints, input)
    this.#checkStore()
    const addresses = (value: string | readonly string[], path: Path) =>
      listed(value).flatMap(([text, step]) => this.#address(text, [...path, ...step]) ?? [])
    return {
      owner,
      zones: this.#zones,
      zoneNames: this.#zoneNames,
      keys,
      pools,
      endpoints,
      server: server && {
        listen: addresses(server.listen, ['server', 'listen']),
        http: server.http === null ? null : (this.#address(server.http, ['server', 'http']) ?? null),
      },
      http: http === null ? null : (this.#address(http, ['http']) ?? null),
      intake: this.#readIntake(pools),
      leases: leases === null ? null : (readLeases(leases, this.#reading) ?? null),
      prober: { site: prober.site ?? null, canary: addresses(prober.canary ?? [], ['prober', 'canary']) },
      broken: this.#broken,
      strays: this.#strays,
    }
  }

  #report(where: Path | Place, expected: string, found: string, todo: string, key = false): void {
    this.findings.push({ where, key, severity: 'error', expected, found, todo })
  }

  readonly #reporter: Report = (...says) => this.#report(...says)
  readonly #reading: Reading = {
    report: this.#reporter,
    address: (text, path) => this.#address(text, path),
    duration: (...asked) => this.#duration(...asked),
  }

  #readIntake(pools: ReadonlyMap<string, DraftPool>): IntakeConfig | null {
    const { intake } = this.#shape
    if (intake === null || this.#broken.pools === 'all') return null
    const known = new Map<string, ReadonlySet<string> | null>()
    for (const id of this.#broken.pools) known.set(id, null)
    for (const [id, { pool, isWhole }] of pools)
      known.set(id, isWhole ? new Set(pool.targets.map((target) => target.id)) : null)
    return readIntake(intake, known, this.#reading) ?? null
  }

  #leaveOut(section: Section, name: string): void {
    const names = this.#broken[section]
    if (names !== 'all') names.add(name)
  }

  #name(text: string, where: Path | Place, key: boolean): Name | undefined {
    const name = parseName(text)
    if (!isProblem(name)) return name
    this.#report(where, name.expected, quoted(text), name.todo, key)
    return undefined
  }

  #readZones(): void {
    for (const text of this.#broken.zones === 'all' ? [] : this.#broken.zones) {
      const name = parseName(text)
      if (!isProblem(name)) this.#zoneNames.add(name)
    }
    for (const text of Object.keys(this.#shape.zones)) {
      const path: Path = ['zones', text]
      const name = this.#name(text, path, true)
      if (name === undefined) {
        this.#leaveOut('zones', text)
        continue
      }
      const earlier = this.#zones.get(name)
      if (earlier !== undefined) {
        this.#report(
          path,
          'each zone once',
          `${quoted(text)} beside ${quoted(String(earlier.path[1]))}`,
          'keep one of the two',
          true,
        )
        continue
      }
      this.#zoneNames.add(name)
      this.#zones.set(name, { name, path, shape: this.#shape.zones[text] as ZoneShape, rfc2136: null, key: undefined })
    }
    for (const [name, zone] of this.#zones) {
      const { authority, key } = zone.shape
      const path: Path = [...zone.path, 'authority', 'rfc2136']
      const rfc2136 = authority === 'builtin' ? null : this.#address(authority.rfc2136, path, 53)
      if (rfc2136 === undefined) {
        this.#leaveOut('zones', String(zone.path[1]))
        continue
      }
      const keyName = key === undefined ? undefined : this.#name(key, [...zone.path, 'key'], false)
      this.#zones.set(name, { ...zone, rfc2136, key: keyName })
    }
  }

  #readKeys(): Map<Name, Path> {
    const keys = new Map<Name, Path>()
    for (const text of Object.keys(this.#shape.keys)) {
      const path: Path = ['keys', text]
      const name = this.#name(text, path, true)
      if (name === undefined) this.#leaveOut('keys', text)
      else if (keys.has(name)) this.#report(path, 'each key once', `${quoted(text)} again`, 'keep one of the two', true)
      else keys.set(name, path)
    }
    return keys
  }

  /** Reports and returns undefined for what is not an address; a name gets its own words: no circular bootstrap. */
  #address(text: string, path: Path, defaultPort?: number): Address | undefined {
    const reading = readAddress(text, defaultPort)
    if (reading.kind === 'address') return reading.address
    const example = defaultPort === undefined ? '127.0.0.1:5300 or [::1]:5300' : '192.0.2.53 or 192.0.2.53:53'
    if (reading.kind === 'name') this.#refuseName(reading.host, path, 'an IP address with its port')
    else this.#report(path, `an IP address and a port, such as ${example}`, quoted(text), 'correct it')
    return undefined
  }

  /** The store is a folder; an address is told apart, because by a managed name it would be a circular bootstrap. */
  #checkStore(): void {
    const text = this.#shape.store ?? ''
    const url = /^[a-z][a-z0-9+.-]*:\/\/(\[[^\]]*\]|[^/:]*)/i.exec(text)
    const host = (url ?? /^(\[[^\]]*\]|[^/:]+):[0-9]{1,5}$/.exec(text))?.[1]
    if (host === undefined) return
    const name = parseName(host)
    if (!isProblem(name) && zoneOf(name, this.#zoneNames) !== undefined)
      this.#refuseName(host, ['store'], 'a folder on this machine')
    else this.#report(['store'], 'a folder on this machine', `an address at ${quoted(host)}`, 'name a folder')
  }

  #refuseName(host: string, where: Path | Place, expected: string): void {
    const name = parseName(host)
    const zone = isProblem(name) ? undefined : zoneOf(name, this.#zoneNames)
    if (zone === undefined)
      this.#report(
        where,
        expected,
        `the name ${quoted(host)}`,
        'write the IP address: Holdfast has to work while names do not',
      )
    else
      this.#report(
        where,
        expected,
        `${quoted(host)}, a name in ${display(zone)}, which Holdfast itself manages: a circular bootstrap`,
        'write the IP address: whoever repairs a name must not need it',
      )
  }

  #ip(text: string, where: Path | Place): IpAddress | undefined {
    const ip = parseIp(text)
    if (ip !== undefined) return ip
    if (isProblem(parseName(text)) || !/[a-z]/i.test(text) || text.includes(':'))
      this.#report(where, 'an IP address, such as 192.0.2.1 or 2001:db8::1', quoted(text), 'correct the address')
    else this.#refuseName(text, where, 'an IP address')
    return undefined
  }

  #duration(text: string, path: Path, least: number, most: number, words: string): number | undefined {
    const ms = durationMs(text)
    if (ms !== undefined && ms >= least && ms <= most) return ms
    this.#report(path, `a duration ${words}`, quoted(text), 'correct it')
    return undefined
  }

  #readPool(id: string, shape: PoolShape, path: Path): Pool | undefined {
    const at = (...rest: Path): Path => [...path, ...rest]
    const interval = this.#duration(shape.interval, at('interval'), 100, 3_600_000, 'from 100ms to 1h')
    const timeout =
      shape.timeout === undefined
        ? Math.min((interval ?? 1_000) / 2, 2_000)
        : this.#duration(shape.timeout, at('timeout'), 1, 60_000, 'from 1ms to 1m')
    const ramp = this.#duration(shape.ramp, at('ramp'), 0, 86_400_000, 'up to 24h')
    const graceMs = this.#duration(shape.grace, at('grace'), 0, 86_400_000, 'up to 24h')
    const holdMs = this.#duration(shape.hold, at('hold'), 0, 3_600_000, 'up to 1h')
    const holdMaxMs = this.#duration(shape.holdMax, at('holdMax'), 0, 86_400_000, 'up to 24h')
    const limits = readLimits(shape.limits, at('limits'), (...asked) => this.#duration(...asked), interval ?? 0)
    const check = readCheck(shape.check, at('check'), this.#reporter)
    const demand = shape.demand === undefined ? undefined : readDemand(shape.demand, at('demand'), this.#reading)

    const targets: Target[] = []
    const entries = Object.entries(shape.targets)
    for (const [targetId, target] of entries) {
      const addresses: IpAddress[] = []
      for (const [text, step] of listed(target.addresses)) {
        const ip = this.#ip(text, at('targets', targetId, 'addresses', ...step))
        if (ip !== undefined) addresses.push(ip)
      }
      if (isNonEmpty(addresses)) targets.push({ id: targetId, site: target.site, addresses, capacity: target.capacity })
    }
    if (entries.length === 0 && !this.#broken.targets.has(id))
      this.#report(at('targets'), 'at least one target', 'none', 'add a target')
    if (entries.length > 10_000)
      this.#report(at('targets'), 'at most 10000 targets', String(entries.length), 'split the pool')
    if (interval === undefined || timeout === undefined || ramp === undefined || limits === undefined) return undefined
    if (graceMs === undefined || holdMs === undefined || holdMaxMs === undefined) return undefined
    if (check === undefined || !isNonEmpty(targets)) return undefined
    const { fall, rise } = shape
    return {
      id,
      targets,
      check,
      intervalMs: interval,
      timeoutMs: timeout,
      fall,
      rise,
      rampMs: ramp,
      graceMs,
      holdMs,
      holdMaxMs,
      limits,
      ...(demand === undefined ? {} : { demand }),
    }
  }

  #addEndpoint(endpoints: Map<Name, DraftEndpoint>, { name: text, shape, where }: EndpointInput): void {
    const name = this.#name(text, where, true)
    if (name === undefined) return
    const from = this.#readSource(shape, where)
    const earlier = endpoints.get(name)
    if (earlier !== undefined) {
      const other = isPath(earlier.where)
        ? `endpoints.${String(earlier.where[1])}`
        : `${earlier.where.file}:${earlier.where.line}`
      this.#report(
        where,
        `one endpoint of the name ${display(name)}`,
        `another one, beside ${other}`,
        'keep one of the two',
        true,
      )
      return
    }
    const zone = zoneOf(name, this.#zoneNames)
    if (zone === undefined) {
      this.#leaveOut('endpoints', name)
      if (from?.kind === 'pool') this.#strays.push({ pool: from.pool, where })
      const zones = [...this.#zoneNames].slice(0, 5).map(display).join(', ')
      if (this.#broken.zones !== 'all')
        this.#report(
          where,
          zones === '' ? 'a name in a zone of this file' : `a name in one of the zones: ${zones}`,
          `${quoted(text)}, outside of every zone`,
          'correct the name, or add its zone',
          true,
        )
      return
    }
    if (from === undefined) {
      this.#leaveOut('endpoints', name)
      return
    }
    endpoints.set(name, { endpoint: { name, zone, ttl: shape.ttl, from, adopt: shape.adopt }, where })
  }

  /** One object for all endpoints of a pool: there may be a million. */
  #poolSource(pool: string): EndpointSource {
    const known = this.#poolSources.get(pool)
    if (known !== undefined) return known
    const source: EndpointSource = { kind: 'pool', pool }
    this.#poolSources.set(pool, source)
    return source
  }

  #readSource(shape: EndpointShape, where: Path | Place): EndpointSource | undefined {
    const { pool, alias, addresses } = shape
    const at = (...rest: Path) => (isPath(where) ? [...where, ...rest] : where)
    const given = Object.entries({ pool, alias, addresses }).filter(([, value]) => value !== undefined)
    if (given.length !== 1) {
      const found = given.length === 0 ? 'none of them' : given.map(([name]) => name).join(' and ')
      this.#report(where, 'exactly one of pool, alias and addresses', found, 'say where its answer comes from, once')
      return undefined
    }
    if (pool !== undefined) return this.#poolSource(pool)
    if (alias !== undefined) {
      const of = this.#name(alias, at('alias'), false)
      return of === undefined ? undefined : { kind: 'alias', of }
    }
    const weighted: WeightedAddress[] = []
    const texts = listed(addresses ?? [])
    for (const [text, step] of texts) {
      const [ipText = '', weightText, ...more] = text.split('*')
      const weight = weightText === undefined ? 100 : /^[0-9]{1,5}$/.test(weightText) ? Number(weightText) : 0
      const place = at('addresses', ...step)
      if (weight < 1 || weight > 65_535 || more.length > 0) {
        this.#report(
          place,
          'an IP address, or one with a weight from 1 to 65535 such as 192.0.2.1*50',
          quoted(text),
          'correct the weight',
        )
        continue
      }
      const address = this.#ip(ipText, place)
      if (address === undefined) continue
      if (weighted.some((other) => other.address === address))
        this.#report(place, 'each address once', `${address} again`, 'keep one of the two')
      else weighted.push({ address, weight })
    }
    return isNonEmpty(weighted) && weighted.length === texts.length
      ? { kind: 'addresses', addresses: weighted }
      : undefined
  }
}

/** Without the dot at the end, as people write it. */
export const display = (name: Name): string => (name === '.' ? name : name.slice(0, -1))

const isPath = (where: Path | Place): where is Path => Array.isArray(where)

/** One or a list, each with the rest of its path. */
export function listed<Item>(value: Item | readonly Item[]): readonly (readonly [Item, Path])[] {
  return Array.isArray(value)
    ? (value as readonly Item[]).map((item, index) => [item, [index]] as const)
    : [[value as Item, []] as const]
}

const copied = (names: ReadonlySet<string> | 'all') => (names === 'all' ? names : new Set(names))

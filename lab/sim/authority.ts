/**
 * A simulated authority that enactors reach as a provider: one strict copy of the records, behind a
 * network that stalls, loses replies, and servers that say one thing and do another.
 *
 * Strict: a condition compares everything that was read, marker, addresses, alias and, where the real
 * API does so (Route 53's DELETE), the TTL too. Emulators that relax this hide the very bugs looked for.
 */
import type { Answer } from '../../src/model/answer.ts'
import { markerStrings } from '../../src/model/marker.ts'
import type { Name } from '../../src/model/name.ts'
import type { Change, Guarantee, Provider, Published, Reading, WriteOutcome } from '../../src/providers/provider.ts'
import type { World } from '../../src/world/world.ts'
import { type Kernel, type Micros, ms, type Process } from './kernel.ts'
import { type Ratio, type Stream, stream } from './random.ts'

export interface AuthorityWeather {
  readonly delay: readonly [Micros, Micros]
  /** A request, or its reply, that never arrives: after a write the outcome is unknown. */
  readonly lost: Ratio
  /** Success that did nothing. */
  readonly lies: Ratio
  /** A failure that is a neighbour's fault: nothing was done. */
  readonly servfail: Ratio
  /** Only the first part of a batch is carried out; the rest was throttled. */
  readonly throttled: Ratio
  /** Changes that it will not make. */
  readonly refused: Ratio
  readonly patience: Micros
}

const no: Ratio = { of: 0, in: 1 }
export const calmAuthority: AuthorityWeather = {
  delay: [ms(1), ms(4)],
  lost: no,
  lies: no,
  servfail: no,
  throttled: no,
  refused: no,
  patience: ms(2000),
}

export interface AuthorityClass {
  readonly guarantee: Guarantee
  /** The TTL is part of the condition. */
  readonly comparesTtl: boolean
  /** One change that does not hold turns down the whole call, as with Route 53; each is then tried by itself. */
  readonly wholeBatch?: boolean
  /** The marker is not: only values are compared, as on 20 October 2025. Never so in Holdfast. */
  readonly ignoresMarker?: boolean
}

/** What stands at one endpoint: nothing of it is anybody's idea of what should. */
export type Standing = Omit<Published, 'name'>

export const nothing: Standing = { marker: [], addresses: [], alias: null, ttl: null }

/**
 * Who changed what; `by` is a process id, or `hand`; at a server also `replay` (an update of somebody's that came once
 * more), `recovered` (one that was durable before anybody heard so) and `restart` (nobody: it came back otherwise).
 * `sent`: when the request set out.
 */
export type AuthorityListener = (name: Name, before: Standing, after: Standing, by: string, sent: Micros) => void

/** Whatever answers for a zone. */
export interface Authority {
  weather: AuthorityWeather
  up: boolean
  onChange: AuthorityListener
  /** What stands there now; no time passes. */
  at(name: Name): Standing
  names(): Iterable<Name>
  /** A change by hand, or by a tool that knows nothing of Holdfast. */
  tamper(name: Name, now: Partial<Standing>): void
  cut(process: string): void
  mend(process: string): void
  mendAll(): void
  /** As this process reaches it, from its World. */
  of(process: Process, world: World): Provider
}

export class SimulatedAuthority implements Authority {
  weather: AuthorityWeather = calmAuthority
  up = true
  onChange: AuthorityListener = () => {}
  readonly #kernel: Kernel
  readonly #random: Stream
  /** A planted bug may weaken it. */
  kind: AuthorityClass
  readonly #standing = new Map<Name, Standing>()
  readonly #cut = new Set<string>()

  constructor(kernel: Kernel, id: string, kind: AuthorityClass) {
    this.#kernel = kernel
    this.#random = stream(kernel.seed, `authority ${id}`)
    this.kind = kind
  }

  at(name: Name): Standing {
    return this.#standing.get(name) ?? nothing
  }

  names(): Iterable<Name> {
    return this.#standing.keys()
  }

  tamper(name: Name, now: Partial<Standing>): void {
    this.#set(name, { ...this.at(name), ...now }, 'hand', this.#kernel.now)
  }

  cut(process: string): void {
    this.#cut.add(process)
  }

  mend(process: string): void {
    this.#cut.delete(process)
  }

  mendAll(): void {
    this.#cut.clear()
  }

  of(process: Process): Provider {
    const reason = `no reply in ${this.weather.patience / 1000} ms`
    return {
      guarantee: this.kind.guarantee,
      read: (_zone, names) =>
        this.#call<readonly Reading[]>(
          process,
          () => names.map((name) => ({ kind: 'published', published: { name, ...this.at(name) } })),
          names.map(() => ({ kind: 'outage', reason })),
        ),
      write: async (_zone, changes) => {
        const call = (some: readonly Change[]) =>
          this.#call<readonly WriteOutcome[] | 'invalid'>(
            process,
            (sent) => this.#write(some, process.id, sent),
            some.map(() => ({ kind: 'unknown', reason })),
          )
        const outcomes = await call(changes)
        if (outcomes !== 'invalid') return outcomes
        const singly: WriteOutcome[] = []
        for (const change of changes) {
          const [outcome] = changes.length === 1 ? [] : ((await call([change])) as readonly WriteOutcome[])
          singly.push(outcome ?? conflict)
        }
        return singly
      },
    }
  }

  /** One unconditional call that puts there whatever it is told to: for protocols that Holdfast refused, and planted bugs. */
  put(process: Process, name: Name, now: Partial<Standing>): Promise<'done' | 'unknown'> {
    const work = (sent: Micros) => {
      this.#set(name, { ...this.at(name), ...now }, process.id, sent)
      return 'done' as const
    }
    return this.#call<'done' | 'unknown'>(process, work, 'unknown')
  }

  #call<T>(process: Process, work: (sent: Micros) => T, late: T): Promise<T> {
    const { incarnation } = process
    const sent = this.#kernel.now
    return new Promise((resolve) => {
      const silence = this.#kernel.after(this.weather.patience, process, () => resolve(late), incarnation)
      this.#travel(null, process, incarnation, () => {
        const result = work(sent)
        this.#travel(process, process, incarnation, () => {
          silence.cancelled = true
          resolve(result)
        })
      })
    })
  }

  #travel(to: Process | null, client: Process, incarnation: number, arrive: () => void): void {
    if (this.#random.chance(this.weather.lost)) return
    const delay = this.#random.between(this.weather.delay[0], this.weather.delay[1])
    const land = () => {
      if (this.up && !this.#cut.has(client.id)) arrive()
    }
    if (to === null) this.#kernel.arrive(delay, null, land)
    else this.#kernel.after(delay, to, land, incarnation)
  }

  #write(changes: readonly Change[], by: string, sent: Micros): readonly WriteOutcome[] | 'invalid' {
    const conditional = this.kind.guarantee === 'atomic-conditional'
    if (this.kind.wholeBatch === true) {
      if (this.#random.chance(this.weather.throttled))
        return changes.map(() => ({ kind: 'unknown', reason: 'throttled' }))
      if (conditional && !changes.every((change) => this.#holds(change)))
        return changes.length === 1 ? [conflict] : 'invalid'
    }
    const throttledFrom =
      this.kind.wholeBatch !== true && this.#random.chance(this.weather.throttled)
        ? this.#random.below(changes.length + 1)
        : changes.length
    return changes.map((change, index) => {
      if (index >= throttledFrom) return { kind: 'unknown', reason: 'throttled' }
      if (this.#random.chance(this.weather.servfail)) return { kind: 'unknown', reason: 'SERVFAIL' }
      if (this.#random.chance(this.weather.refused)) return { kind: 'refused', reason: 'REFUSED' }
      if (conditional && !this.#holds(change)) return conflict
      if (!this.#random.chance(this.weather.lies)) this.#set(change.name, standingOf(change), by, sent)
      return { kind: 'accepted' }
    })
  }

  #holds({ name, expected }: Change): boolean {
    const found = this.at(name)
    return (
      (this.kind.ignoresMarker === true || sameSet(found.marker.map(textOf), expected.marker.map(textOf))) &&
      sameSet(found.addresses, expected.addresses) &&
      found.alias === expected.alias &&
      (!this.kind.comparesTtl || found.ttl === expected.ttl)
    )
  }

  #set(name: Name, after: Standing, by: string, sent: Micros): void {
    const before = this.at(name)
    this.#standing.set(name, after)
    this.#kernel.noteText(name)
    this.onChange(name, before, after, by, sent)
  }
}

const conflict: WriteOutcome = { kind: 'conflict', reason: 'the records are not those that were read' }

function standingOf({ answer, marker }: Change): Standing {
  const strings = [markerStrings(marker)]
  return { marker: strings, ...recordsOf(answer) }
}

function recordsOf(answer: Answer): Omit<Standing, 'marker'> {
  switch (answer.kind) {
    case 'addresses':
      return { addresses: answer.addresses.map(({ address }) => address).sort(), alias: null, ttl: answer.ttl }
    case 'alias':
      return { addresses: [], alias: answer.target, ttl: answer.ttl }
    case 'retired':
      return { addresses: [], alias: null, ttl: null }
  }
}

const textOf = (strings: readonly string[]): string => JSON.stringify(strings)

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  const left = [...a].sort()
  const right = [...b].sort()
  return left.every((value, index) => value === right[index])
}

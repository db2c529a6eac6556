/**
 * A region on which a scenario is played: production programs on the simulator, with the levers that a
 * scenario pulls, the eyes that it looks through, and the safety checks at work all the time.
 */
import { digestOf } from '../../src/base/bytes.ts'
import type { Name } from '../../src/model/name.ts'
import type { Policy, PolicySource } from '../../src/model/policy.ts'
import type { Change, Provider } from '../../src/providers/provider.ts'
import type { EpochMs, TraceEvent } from '../../src/world/world.ts'
import { whatIsWrong } from '../checks/arrived.ts'
import { type Check, generationAt, isTombstone, type Scene, type Violation } from '../checks/check.ts'
import { forward } from '../checks/forward.ts'
import { mineOnly } from '../checks/mine-only.ts'
import { neverEmpty } from '../checks/never-empty.ts'
import { wayBack } from '../checks/way-back.ts'
import { whole } from '../checks/whole.ts'
import { Region } from '../region.ts'
import { watchRegion } from '../region-diagram.ts'
import type { Standing } from '../sim/authority.ts'
import { Kernel, ms, type Process } from '../sim/kernel.ts'
import { epoch } from '../sim/world.ts'
import type { Shape } from '../story.ts'
import type { Wishes } from '../wishes.ts'
import { Chronicle } from './chronicle.ts'

export interface Traced {
  readonly by: string
  readonly event: TraceEvent
}

/** A change that a program or a hand made at an authority. */
export interface Changed {
  readonly by: string
  readonly name: Name
  readonly after: Standing
}

/** A call that is kept from setting out. */
interface Held {
  readonly step: 'look' | 'write'
  readonly name: Name
  /** Of the plan's entry that it wants to write; null for a look, or while nothing is held yet. */
  generation: number | null
  go: (() => void) | null
}

export class Stage {
  readonly kernel: Kernel
  readonly region: Region
  /** For the picture. */
  readonly chronicle = new Chronicle(
    () => this.kernel.now / 1000,
    () => {},
  )
  readonly traces: Traced[] = []
  readonly changes: Changed[] = []
  /** Every answer that a name gave, in order, without repetitions; by name asked about. */
  readonly asked = new Map<Name, string[]>()
  violation: Violation | null = null
  /** Enactors whose writes are carried out, but who never hear so. */
  readonly deaf = new Set<string>()
  readonly #held = new Map<string, Held>()
  readonly #foreign = new Set<Name>()
  /** As the shape and the wishes make it. */
  #base: Policy
  #checks: readonly Check[]
  #other: Region | null = null
  readonly #edits: ((policy: Policy) => Policy)[] = []
  /** Planners with a configuration of their own, as of when. */
  readonly #others = new Map<string, { readonly policy: Policy; readonly modified: EpochMs }>()

  constructor(seed: number, shape: Shape) {
    this.kernel = new Kernel({ seed })
    this.region = new Region(this.kernel, shape)
    const { region } = this
    this.#base = region.policy
    region.substitutes = {
      provider: (provider, self) => this.#provider(provider, self),
      policy: (source, _role, self) => this.#policy(source, self),
    }
    const scene: Scene = {
      standing: (name) => region.authorityOf(name).at(name),
      names: function* () {
        for (const authority of region.authorities) yield* authority.names()
      },
      stored: (key) => region.store.peek(key),
      storedKeys: (prefix) => region.store.keys(prefix),
      now: () => this.kernel.now / 1000,
    }
    this.#checks = [
      forward(scene),
      neverEmpty(scene),
      whole(),
      wayBack(scene, shape.keepPlans),
      mineOnly(this.#foreign),
    ]
    region.listener = (process, event) => {
      this.traces.push({ by: process.id, event })
    }
    region.store.onCommit = (writes, by) => {
      for (const check of this.#checks) this.violation ??= check.onCommit?.(writes, by) ?? null
    }
    for (const authority of region.authorities)
      authority.onChange = (name, before, after, by) => {
        this.changes.push({ by, name, after })
        for (const check of this.#checks) this.violation ??= check.onRecords?.(name, before, after, by) ?? null
        this.#ask()
      }
    watchRegion(region, this.chronicle)
  }

  /** Another deployment for the same names, with the same owner. What each of them published is no longer known to be whole. */
  addDeployment(id: string, ttl: number): void {
    const beside = { region: this.region, prefix: `${id}-` }
    const other = new Region(this.kernel, this.region.shape, beside)
    other.edit((wishes) => {
      wishes.ttl = ttl
    })
    other.listener = (process, event) => {
      this.traces.push({ by: process.id, event })
    }
    this.#other = other
    this.#checks = this.#checks.filter(({ invariant }) => invariant === 'S1' || invariant === 'S2')
    for (const process of other.processes.values()) this.kernel.start(process)
  }

  stopDeployment(): void {
    for (const process of this.#other?.processes.values() ?? []) this.kernel.crash(process)
  }

  /** Before anybody starts: records that somebody else keeps at a name. */
  placeForeign(name: Name, standing: Partial<Standing>): void {
    this.#foreign.add(name)
    this.region.authorityOf(name).tamper(name, standing)
  }

  standing(name: Name): Standing {
    return this.region.authorityOf(name).at(name)
  }

  /** Null when the newest plan stands everywhere and follows the policy. */
  wrong(): string | null {
    return whatIsWrong(this.region, this.#foreign)
  }

  /** Lets time pass until `isSo`, at most this long; false if it did not come to that. */
  async until(isSo: () => boolean, mostMs: number): Promise<boolean> {
    let isReached = isSo()
    if (!isReached)
      await this.kernel.run(this.kernel.now + ms(mostMs), () => {
        isReached = isSo()
        return isReached
      })
    return isReached
  }

  async wait(forMs: number): Promise<void> {
    await this.kernel.run(this.kernel.now + ms(forMs))
  }

  /** Changes what the region's shape knows of the policy. */
  editWishes(change: (wishes: Wishes) => void): void {
    this.region.edit(change)
    this.#base = this.region.policy
    this.#remake()
  }

  /** Changes the policy in a way that the region's shape does not know. */
  editPolicy(change: (policy: Policy) => Policy): void {
    this.#edits.push(change)
    this.region.wishes.edits += 1
    this.#remake()
  }

  #remake(): void {
    if (this.#edits.length > 0)
      this.region.policy = digested(this.#edits.reduce((policy, change) => change(policy), this.#base))
  }

  /** This planner reads another file, last changed so long before all that happens here. */
  giveOther(planner: string, agoMs: number, change: (policy: Policy) => Policy): void {
    const policy = change(this.region.policy)
    this.#others.set(planner, { policy: digested(policy), modified: (epoch - agoMs) as EpochMs })
  }

  /** The next such call of this enactor that concerns the name waits until it is released. */
  hold(enactor: string, step: Held['step'], name: Name): void {
    this.#held.set(enactor, { step, name, generation: null, go: null })
  }

  heldBack(enactor: string): { readonly generation: number | null } | null {
    const held = this.#held.get(enactor)
    return held === undefined || held.go === null ? null : held
  }

  release(enactor: string): void {
    const held = this.#held.get(enactor)
    this.#held.delete(enactor)
    this.chronicle.end('held', enactor)
    if (held?.go) this.kernel.after(0, this.region.process(enactor), held.go)
  }

  ask(name: Name): void {
    this.asked.set(name, [])
    this.#ask()
  }

  #ask(): void {
    for (const [name, answers] of this.asked) {
      const answer = this.resolve(name)
      if (answers.at(-1) !== answer) answers.push(answer)
    }
  }

  /** What a resolver tells: the addresses, or in which way there is none. */
  resolve(name: Name): string {
    let at = this.standing(name)
    for (let hops = 0; hops < 16; hops++) {
      if (at.addresses.length > 0) return [...at.addresses].sort().join(' ')
      if (at.alias === null) return at.marker.length === 0 || isTombstone(at) ? 'no such name' : 'no address'
      at = this.standing(at.alias)
    }
    return 'a loop'
  }

  #policy(source: PolicySource, self: Process): PolicySource {
    return {
      read: async () => {
        const reading = await source.read()
        const other = this.#others.get(self.id)
        return reading.kind === 'policy' && other !== undefined ? { ...reading, ...other } : reading
      },
    }
  }

  #provider(provider: Provider, self: Process): Provider {
    const hold = (step: Held['step'], names: readonly Name[], changes: readonly Change[]): Promise<void> => {
      const held = this.#held.get(self.id)
      if (held === undefined || held.step !== step || held.go !== null || !names.includes(held.name))
        return Promise.resolve()
      held.generation = changes.find(({ name }) => name === held.name)?.marker.generation ?? null
      this.chronicle.begin('held', { lane: self.id, tone: 'held' })
      return new Promise((resolve) => {
        held.go = resolve
      })
    }
    return {
      guarantee: provider.guarantee,
      read: async (zone, names) => {
        await hold('look', names, [])
        return provider.read(zone, names)
      },
      write: async (zone, changes) => {
        await hold(
          'write',
          changes.map(({ name }) => name),
          changes,
        )
        const outcomes = await provider.write(zone, changes)
        if (!this.deaf.has(self.id)) return outcomes
        return outcomes.map(() => ({ kind: 'unknown', reason: 'no reply in 2 s' }))
      },
    }
  }
}

const digested = (policy: Policy): Policy => ({
  ...policy,
  digest: digestOf(JSON.stringify([[...policy.zones], [...policy.pools], [...policy.endpoints]])),
})

/** One line: what stands at a name. */
export function describe(name: Name, standing: Standing): string {
  const { addresses, alias, ttl, marker } = standing
  const generation = generationAt(standing)
  const published = generation === null ? (marker.length === 0 ? 'no marker' : 'a broken marker') : `plan ${generation}`
  const records =
    alias !== null
      ? `ttl ${ttl}  alias of ${alias}`
      : addresses.length > 0
        ? `ttl ${ttl}  ${[...addresses].sort().join(' ')}`
        : isTombstone(standing)
          ? 'retired'
          : 'no address'
  return `${name}  ${published}  ${records}`
}

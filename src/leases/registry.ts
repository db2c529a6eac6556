/**
 * Which hosts this manager knows: a small number for each id, as the governor counts them, and what is
 * remembered of each beside the governor's table. Bounded; numbers of hosts that are forgotten are used again.
 */
import { assert } from '../base/assert.ts'
import { bootOf, shardOf } from './epoch.ts'

export const nobody = -1

/** Of the sites that hosts name; the first stands for those that name none, and for those beyond the bound. */
export class Sites {
  readonly #names: string[] = ['']
  readonly #numbers = new Map<string, number>([['', 0]])
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#names.length >= this.#most) return 0
    this.#numbers.set(name, this.#names.length)
    return this.#names.push(name) - 1
  }

  nameOf(number: number): string {
    return this.#names[number] ?? ''
  }
}

/** Whose start this report is of. `conflict`: of one that was replaced by a later one, and is alive all the same. */
export type Boot = 'same' | 'new' | 'conflict'

export class HostRegistry {
  readonly #shards: number
  readonly #numbers = new Map<string, number>()
  readonly #ids: (string | undefined)[]
  readonly #shard: Uint16Array
  readonly #boot: Float64Array
  readonly #bootBefore: Float64Array
  /** The epoch that the dependency acknowledged last, whole. */
  readonly granted: Float64Array
  /** Operations started for the host by this owner of its shard. */
  readonly operations: Uint32Array
  readonly site: Uint16Array
  readonly #free: number[] = []
  #used = 0

  constructor(most: number, shards: number) {
    assert(shards >= 1 && shards <= 65_536, `expected 1 to 65,536 shards, found ${shards}`)
    this.#shards = shards
    this.#ids = []
    this.#shard = new Uint16Array(most)
    this.#boot = new Float64Array(most)
    this.#bootBefore = new Float64Array(most)
    this.granted = new Float64Array(most)
    this.operations = new Uint32Array(most)
    this.site = new Uint16Array(most)
  }

  get size(): number {
    return this.#numbers.size
  }

  get isFull(): boolean {
    return this.#free.length === 0 && this.#used >= this.#shard.length
  }

  get bytes(): number {
    return [this.#shard, this.#boot, this.#bootBefore, this.granted, this.operations, this.site].reduce(
      (sum, one) => sum + one.byteLength,
      0,
    )
  }

  /** `nobody` if it is not known. */
  numberOf(id: string): number {
    return this.#numbers.get(id) ?? nobody
  }

  isUsed(host: number): boolean {
    return this.#ids[host] !== undefined
  }

  idOf(host: number): string {
    const id = this.#ids[host]
    assert(id !== undefined, `expected a known host, found ${host}`)
    return id
  }

  shardOf(host: number): number {
    return this.#shard[host] as number
  }

  shardOfId(id: string): number {
    return shardOf(id, this.#shards)
  }

  /** Only if there is room, and it is not known. */
  add(id: string, bootId: string): number {
    assert(!this.isFull && !this.#numbers.has(id), `expected room for a host that is not known, found ${id}`)
    const host = this.#free.pop() ?? this.#used++
    this.#numbers.set(id, host)
    this.#ids[host] = id
    this.#shard[host] = this.shardOfId(id)
    this.#boot[host] = bootOf(bootId)
    this.#bootBefore[host] = 0
    this.granted[host] = 0
    this.operations[host] = 0
    this.site[host] = 0
    return host
  }

  /** The later start wins; the one before it is told apart from then on. */
  started(host: number, bootId: string): Boot {
    const boot = bootOf(bootId)
    if (boot === this.#boot[host]) return 'same'
    if (boot === this.#bootBefore[host]) return 'conflict'
    this.#bootBefore[host] = this.#boot[host] as number
    this.#boot[host] = boot
    return 'new'
  }

  forget(host: number): void {
    this.#numbers.delete(this.idOf(host))
    this.#ids[host] = undefined
    this.#free.push(host)
  }

  /** Those of shards for which `isIn` holds. */
  *hostsOf(isIn: (shard: number) => boolean): Generator<number> {
    for (let host = 0; host < this.#used; host++)
      if (this.#ids[host] !== undefined && isIn(this.#shard[host] as number)) yield host
  }
}

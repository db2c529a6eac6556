/**
 * Who needs something done: a set, not a queue of requests. A host is in it once or not at all, however
 * often it asks, so the set never outgrows the fleet and nothing in it can be out of date. Entries have
 * no deadline of their own: what is needed stays needed until it is done or withdrawn.
 *
 * Order: strict classes by deadline; within each other class the sites take turns, and within a site the
 * host that has waited longest comes first. Every operation is O(1), O(log n) in the strict classes, and
 * allocates nothing.
 */
import { assert } from '../base/assert.ts'
import { type Class, classCount, isStrict, renewal } from './classes.ts'
import { DeadlineQueue } from './deadline-queue.ts'

const absent = 0
const nobody = -1
/** Of class 1 in the heap that it shares with class 0: above any deadline. */
const strictStep = 2 ** 42

export class NeedSet {
  readonly #hosts: number
  readonly #sites: number
  /** By host: its class + 1, or 0 for who is not in the set. The membership bit. */
  readonly #in: Uint8Array
  readonly #site: Uint16Array
  /** Links of the line of one class and site; in a strict class, `#after` is the place in the heap. */
  readonly #after: Int32Array
  readonly #before: Int32Array
  /** By line, which is class * sites + site. Lines that are not empty form a ring for each class. */
  readonly #first: Int32Array
  readonly #last: Int32Array
  readonly #lineAfter: Int32Array
  readonly #lineBefore: Int32Array
  /** By class: the line whose turn it is. */
  readonly #turn: Int32Array
  readonly #strict: DeadlineQueue
  /** Members by class. Read only. */
  readonly waiting = new Uint32Array(classCount)
  #size = 0

  constructor(hosts: number, sites: number) {
    this.#hosts = hosts
    this.#sites = sites
    this.#in = new Uint8Array(hosts)
    this.#site = new Uint16Array(hosts)
    this.#after = new Int32Array(hosts)
    this.#before = new Int32Array(hosts)
    const lines = classCount * sites
    this.#first = new Int32Array(lines).fill(nobody)
    this.#last = new Int32Array(lines).fill(nobody)
    this.#lineAfter = new Int32Array(lines)
    this.#lineBefore = new Int32Array(lines)
    this.#turn = new Int32Array(classCount).fill(nobody)
    this.#strict = new DeadlineQueue(this.#after)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    const arrays = [this.#in, this.#site, this.#after, this.#before, this.#first, this.#last]
    return [...arrays, this.#lineAfter, this.#lineBefore].reduce((sum, one) => sum + one.byteLength, this.#strict.bytes)
  }

  has(host: number): boolean {
    return this.#in[host] !== absent
  }

  classOf(host: number): Class | undefined {
    const marked = this.#in[host] as number
    return marked === absent ? undefined : ((marked - 1) as Class)
  }

  /** Where it was when it last was in the set. */
  siteOf(host: number): number {
    return this.#site[host] as number
  }

  /**
   * Idempotent: who is in already in this class at this site keeps its place; else it moves.
   * `deadline` counts in the strict classes only. Returns whether the host was not in before.
   */
  add(host: number, klass: Class, site: number, deadline: number): boolean {
    assert(
      host >= 0 && host < this.#hosts && site >= 0 && site < this.#sites,
      `expected a host below ${this.#hosts} and a site below ${this.#sites}, found host ${host} at site ${site}`,
    )
    const wasIn = this.has(host)
    if (wasIn) {
      if (this.#in[host] === klass + 1 && this.#site[host] === site) return false
      this.remove(host)
    }
    this.#in[host] = klass + 1
    this.#site[host] = site
    this.waiting[klass] = (this.waiting[klass] as number) + 1
    this.#size++
    if (isStrict(klass)) this.#strict.add(host, deadline + klass * strictStep)
    else this.#join(host, klass * this.#sites + site, klass)
    return !wasIn
  }

  /** Returns whether it was in. */
  remove(host: number): boolean {
    const marked = this.#in[host] as number
    if (marked === absent) return false
    const klass = (marked - 1) as Class
    if (isStrict(klass)) this.#strict.remove(host)
    else this.#leave(host, klass * this.#sites + (this.#site[host] as number), klass)
    this.#forget(host, klass)
    return true
  }

  /** The member of the strict classes that is next, taken out of the set; -1 if there is none. */
  takeStrict(): number {
    const host = this.#strict.take()
    if (host !== nobody) this.#forget(host, ((this.#in[host] as number) - 1) as Class)
    return host
  }

  /** The member of a sharing class that is next, taken out of the set; -1 if there is none. */
  take(klass: Class): number {
    assert(klass > renewal, `expected a sharing class, found ${klass}: strict ones are taken by deadline`)
    const line = this.#turn[klass] as number
    if (line === nobody) return nobody
    const host = this.#first[line] as number
    this.#turn[klass] = this.#lineAfter[line] as number
    this.#leave(host, line, klass)
    this.#forget(host, klass)
    return host
  }

  #forget(host: number, klass: Class): void {
    this.#in[host] = absent
    this.waiting[klass] = (this.waiting[klass] as number) - 1
    this.#size--
  }

  #join(host: number, line: number, klass: Class): void {
    const last = this.#last[line] as number
    this.#before[host] = last
    this.#after[host] = nobody
    this.#last[line] = host
    if (last !== nobody) {
      this.#after[last] = host
      return
    }
    this.#first[line] = host
    this.#openLine(line, klass)
  }

  #leave(host: number, line: number, klass: Class): void {
    const before = this.#before[host] as number
    const after = this.#after[host] as number
    if (before === nobody) this.#first[line] = after
    else this.#after[before] = after
    if (after === nobody) this.#last[line] = before
    else this.#before[after] = before
    if (this.#first[line] === nobody) this.#closeLine(line, klass)
  }

  /** A site that begins to wait comes last in the round. */
  #openLine(line: number, klass: Class): void {
    const turn = this.#turn[klass] as number
    if (turn === nobody) {
      this.#turn[klass] = line
      this.#lineAfter[line] = line
      this.#lineBefore[line] = line
      return
    }
    const before = this.#lineBefore[turn] as number
    this.#lineAfter[before] = line
    this.#lineBefore[line] = before
    this.#lineAfter[line] = turn
    this.#lineBefore[turn] = line
  }

  #closeLine(line: number, klass: Class): void {
    const after = this.#lineAfter[line] as number
    const before = this.#lineBefore[line] as number
    if (after === line) {
      this.#turn[klass] = nobody
      return
    }
    this.#lineAfter[before] = after
    this.#lineBefore[after] = before
    if (this.#turn[klass] === line) this.#turn[klass] = after
  }
}

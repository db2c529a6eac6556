/** The same night with the production planner, sweep, enactors and probers. */
import { digestOf } from '../../../src/base/bytes.ts'
import type { NonEmpty } from '../../../src/base/nonempty.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import { keys } from '../../../src/model/keys.ts'
import type { Name } from '../../../src/model/name.ts'
import type { Endpoint, Policy, Target } from '../../../src/model/policy.ts'
import type { Change, Provider } from '../../../src/providers/provider.ts'
import type { EpochMs, TraceEvent } from '../../../src/world/world.ts'
import { generationAt } from '../../checks/check.ts'
import { Region } from '../../region.ts'
import type { Standing } from '../../sim/authority.ts'
import { Kernel, ms, type Process } from '../../sim/kernel.ts'
import { epoch } from '../../sim/world.ts'
import type { Shape } from '../../story.ts'
import { owner, regionLimits } from '../../wishes.ts'
import { Chronicle } from '../chronicle.ts'
import { customers } from './customers.ts'
import { answerLane, customerLane, type EnactorFacts, isNear, type Night, planList, type TellOptions } from './night.ts'
import {
  balancers,
  enactors,
  endMs,
  Gate,
  hero,
  lastOfStorm,
  type Step,
  services,
  shifts,
  starved,
  tellUntilMs,
  zone,
} from './schedule.ts'

const shape: Shape = {
  planners: 1,
  enactors: enactors.length,
  probers: 0,
  pools: [balancers.length],
  endpointsPerPool: services.length,
  aliases: 0,
  fixed: 0,
  zones: 1,
  keepPlans: 5,
  coalesceMs: 0,
  rampMs: 0,
  comparesTtl: false,
  foreign: false,
}

const apex = `${zone}.` as Name
const heroName = `${hero}.${apex}` as Name

function policyOf(weights: readonly number[]): Policy {
  const targets = balancers.map(
    ({ id, address }, index): Target => ({
      id,
      site: `az-${1 + (index % 3)}`,
      addresses: [address as IpAddress],
      capacity: weights[index] ?? 1,
    }),
  )
  const endpoints = services.map((service): [Name, Endpoint] => {
    const name = `${service}.${apex}` as Name
    return [name, { name, zone: apex, ttl: 5, from: { kind: 'pool', pool: 'balancers' }, adopt: false }]
  })
  return {
    digest: digestOf(JSON.stringify(weights)),
    owner,
    zones: new Map([
      [
        apex,
        { name: apex, authority: { kind: 'rfc2136', address: { host: '10.1.0.1', port: 53 } }, key: 'key.' as Name },
      ],
    ]),
    pools: new Map([
      [
        'balancers',
        {
          id: 'balancers',
          targets: targets as unknown as NonEmpty<Target>,
          // The load balancers were healthy all night; what shifted was what they could take.
          check: { kind: 'none' },
          intervalMs: 1_000,
          timeoutMs: 400,
          fall: 3,
          rise: 2,
          rampMs: shape.rampMs,
          graceMs: 20_000,
          holdMs: 2_000,
          holdMaxMs: 8_000,
          limits: regionLimits,
        },
      ],
    ]),
    endpoints: new Map(endpoints),
    keepPlans: shape.keepPlans,
    coalesceMs: shape.coalesceMs,
  }
}

export async function holdfastNight({ seed, tell }: TellOptions): Promise<{ night: Night; chronicle: Chronicle }> {
  const kernel = new Kernel({ seed })
  const region = new Region(kernel, shape)
  const chronicle = new Chronicle(() => kernel.now / 1000, tell)
  const gate = new Gate(kernel, () => region.process(starved))
  const narrator = new Narrator(chronicle, gate, region)
  region.policy = policyOf(shifts[0]?.weights ?? [])
  let modified = epoch
  region.substitutes = {
    policy: () => ({
      read: async () => ({ kind: 'policy', policy: region.policy, modified: modified as EpochMs }),
    }),
    provider: (provider, self) =>
      self.id === starved ? gated(provider, gate, (change) => narrator.writing(change)) : provider,
  }
  for (const { atMs, weights } of shifts.slice(1))
    kernel.after(ms(atMs), null, () => {
      region.policy = policyOf(weights)
      modified = epoch + atMs
    })
  gate.onHold = (what) => narrator.hold(what)
  region.listener = (process, event) => narrator.trace(process, event)
  for (const authority of region.authorities)
    authority.onChange = (name, before, after, by) => narrator.changed(name, before, after, by)
  const ask = () => {
    const standing = region.authorityOf(heroName).at(heroName)
    return { addresses: standing.addresses, plan: generationAt(standing) }
  }
  const seen = customers(kernel, ask, ({ addresses }) => narrator.customer(addresses.length > 0))
  kernel.after(ms(shifts[0]?.atMs ?? 0), null, () => region.startAll())
  await kernel.run(ms(endMs))
  return { night: narrator.atEnd(kernel, ask(), seen()), chronicle }
}

/** Held back at the name that the story is about, and nowhere else. */
function gated(provider: Provider, gate: Gate, writing: (change: Change) => void): Provider {
  const pass = async (step: Step, names: readonly Name[]) => {
    if (names.includes(heroName)) await gate.pass(step)
  }
  return {
    guarantee: provider.guarantee,
    read: async (apexName, names) => {
      await pass('look', names)
      return provider.read(apexName, names)
    },
    write: async (apexName, changes) => {
      await pass(
        'write',
        changes.map(({ name }) => name),
      )
      const change = changes.find(({ name }) => name === heroName)
      if (change !== undefined) writing(change)
      return provider.write(apexName, changes)
    },
  }
}

/** Turns what happens into lines, marks and facts. */
class Narrator {
  readonly #chronicle: Chronicle
  readonly #gate: Gate
  readonly #region: Region
  readonly #counts = new Map<string, { published: number; refused: number }>()
  #standing = 0
  #backward = 0
  #heldBack = 0
  #emptySince: number | null = null
  #holds = 0
  /** What the starved enactor's latest write says has to stand there still. */
  #expected = 0
  #told = new Set<string>()

  constructor(chronicle: Chronicle, gate: Gate, region: Region) {
    this.#chronicle = chronicle
    this.#gate = gate
    this.#region = region
  }

  get #now(): number {
    return this.#region.kernel.now / 1000
  }

  #once(what: string): boolean {
    if (this.#told.has(what)) return false
    this.#told.add(what)
    return true
  }

  trace({ id }: Process, event: TraceEvent): void {
    const chronicle = this.#chronicle
    switch (event.event) {
      case 'plan.published': {
        const plan = Number(event.generation)
        chronicle.tick('planner', 'plan', plan)
        if (plan <= 3 || plan === lastOfStorm) chronicle.say('planner', `publishes plan ${plan}`)
        if (plan === lastOfStorm - 1)
          chronicle.point(
            'planner',
            'note',
            'planner',
            `has published ${planList} in twenty seconds, as it did that night`,
          )
        if (plan === lastOfStorm + 1) chronicle.say('planner', `publishes plan ${plan}, and one a minute from now on`)
        break
      }
      case 'enact.claimed': {
        const plan = Number(event.generation)
        if (isNear(this.#now)) chronicle.begin('run', { lane: id, tone: 'plan', plan, text: String(plan) })
        break
      }
      case 'enact.conflicted':
        if (event.name === heroName) this.#conflicted(id)
        break
      case 'enact.fenced':
        if (event.name === heroName) this.#heldBehind(id, Number(event.mine), Number(event.theirs))
        break
      case 'sweep.deleted':
        this.#swept(Number(event.plans), Number(event.oldestKept))
        break
    }
  }

  #conflicted(id: string): void {
    if (this.#now > tellUntilMs) this.#count(id, false)
    if (id !== starved || this.#holds === 0 || this.#now > tellUntilMs) return
    this.#chronicle.message(id, answerLane, 'refused')
    if (this.#once('conflict'))
      this.#chronicle.point(
        id,
        'good',
        id,
        `is late. Its write says "if plan ${this.#expected} is still there"; plan ${this.#standing} is. Refused, and nothing was changed`,
      )
  }

  writing({ expected }: Change): void {
    this.#expected = generationAt(expected) ?? 0
  }

  #heldBehind(id: string, mine: number, theirs: number): void {
    if (id !== starved) return
    this.#heldBack += 1
    const chronicle = this.#chronicle
    if (this.#once('fenced'))
      chronicle.point(
        id,
        'good',
        id,
        `looks again, finds plan ${theirs} over its plan ${mine}, drops its plan, and takes the newest from the store`,
      )
    else chronicle.say(id, `is late again: plan ${theirs} stands, plan ${mine} is dropped`)
  }

  #swept(plans: number, oldestKept: number): void {
    const newest = this.#newest()
    this.#gate.cleaning(newest)
    if (this.#now > tellUntilMs) return
    if (newest >= lastOfStorm && this.#once('swept'))
      this.#chronicle.point(
        'planner',
        'note',
        'sweep',
        `deletes ${plans} old plan${plans === 1 ? '' : 's'} from the store, none that is live or claimed; the oldest kept is ${oldestKept}. Records in DNS hold their values and refer to no plan`,
      )
  }

  #newest(): number {
    const head = keys.head.decode(this.#region.store.peek(keys.head.key()) ?? new Uint8Array())
    return head?.generation ?? 0
  }

  hold(what: 'held' | 'let go'): void {
    if (what === 'let go') {
      this.#chronicle.end('held', starved)
      return
    }
    this.#holds += 1
    this.#chronicle.begin('held', { lane: starved, tone: 'held' })
    if (this.#once('held'))
      this.#chronicle.point(
        starved,
        'note',
        starved,
        `is held up on its way to the records of ${hero}, as it was that night`,
      )
  }

  changed(name: Name, before: Standing, after: Standing, by: string): void {
    if (name !== heroName) return
    if (this.#now > tellUntilMs) this.#count(by, true)
    const plan = generationAt(after) ?? 0
    if (plan < (generationAt(before) ?? 0)) this.#backward += 1
    if (after.addresses.length === 0) this.#emptySince ??= this.#now
    else this.#emptySince = null
    this.#standing = plan
    this.#chronicle.message(by, answerLane, 'write', plan)
    const tone = after.addresses.length === 0 ? 'empty' : 'plan'
    this.#chronicle.begin('answer', { lane: answerLane, tone, plan, text: String(plan) })
    if (plan <= 4 || (plan >= lastOfStorm && this.#now < tellUntilMs))
      this.#chronicle.say(by, `publishes plan ${plan} at ${hero}: addresses and marker in one conditional write`)
    this.#gate.stands(plan)
  }

  customer(served: boolean): void {
    if (this.#now <= tellUntilMs || this.#now > endMs - 2_000)
      this.#chronicle.tick(customerLane, served ? 'good' : 'bad')
  }

  #count(by: string, done: boolean): void {
    const counts = this.#counts.get(by) ?? { published: 0, refused: 0 }
    this.#counts.set(by, counts)
    if (done) counts.published += 1
    else counts.refused += 1
  }

  atEnd(kernel: Kernel, answer: Night['answer'], seen: Night['customers']): Night {
    const facts = enactors.map(
      (id): EnactorFacts => ({ id, ...(this.#counts.get(id) ?? { published: 0, refused: 0 }) }),
    )
    const published = facts.reduce((sum, fact) => sum + fact.published, 0)
    this.#chronicle.say(
      '',
      `an hour later: the enactors have published ${published} more plans; ${hero} answers ${answer.addresses.join(' ')} from plan ${answer.plan}, the newest`,
    )
    this.#chronicle.say('customers', `asked ${seen.asked} times and were turned away ${seen.turnedAway} times`)
    this.#chronicle.endAll()
    return {
      protocol: 'holdfast',
      hash: kernel.hash,
      events: kernel.events,
      newestPlan: this.#newest(),
      answer,
      emptySinceMs: this.#emptySince,
      backward: this.#backward,
      heldBack: this.#heldBack,
      enactors: facts,
      customers: seen,
    }
  }
}

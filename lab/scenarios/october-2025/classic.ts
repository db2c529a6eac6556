/** The night with the protocol of that night. */
import type { TraceEvent } from '../../../src/world/world.ts'
import { type Control, ControlApi } from '../../classic/control.ts'
import { enactor } from '../../classic/enactor.ts'
import { type Capacity, type PlanFile, planner } from '../../classic/planner.ts'
import {
  aliasTo,
  ClassicZone,
  type Item,
  lockOf,
  planOfTree,
  rollbackOf,
  rootOf,
  targetOf,
} from '../../classic/zone.ts'
import { Kernel, ms, type Process } from '../../sim/kernel.ts'
import { Network } from '../../sim/network.ts'
import { simulatedWorld } from '../../sim/world.ts'
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
  services,
  shifts,
  starved,
  tellUntilMs,
} from './schedule.ts'

/** Trees of plans so much older are cleaned up: the last plan of the storm is the first to reach plan 3. */
const keepPlans = lastOfStorm - 4

export async function classicNight({ seed, tell }: TellOptions): Promise<{ night: Night; chronicle: Chronicle }> {
  const kernel = new Kernel({ seed })
  const network = new Network(kernel)
  const zone = new ClassicZone()
  const control = new ControlApi(kernel, zone)
  const chronicle = new Chronicle(() => kernel.now / 1000, tell)
  const file: PlanFile = []
  const gate = new Gate(kernel, () => processes.get(starved) as Process)
  const processes = new Map<string, Process>()
  const narrator = new Narrator(chronicle, gate, zone, () => kernel.now / 1000, file)
  control.listener = { batch: (by, items, result) => narrator.batch(by.id, items, result) }
  gate.onHold = (what, step) => narrator.hold(what, step)

  const add = (id: string, program: (world: ReturnType<typeof simulatedWorld>, self: Process) => Promise<never>) =>
    processes.set(
      id,
      kernel.add(id, (self) =>
        program(
          simulatedWorld(kernel, network, self, (from, event) => narrator.trace(from.id, event)),
          self,
        ),
      ),
    )
  add('planner', (world, self) => planner(world, file, capacityOf(kernel, self)))
  for (const id of enactors)
    add(id, (world, self) => {
      const plain = control.of(self)
      return enactor(world, {
        file,
        control: id === starved ? gated(plain, gate) : plain,
        endpoints: services,
        keepPlans,
      })
    })
  const seen = customers(
    kernel,
    () => zone.answer(hero),
    ({ addresses }) => narrator.customer(addresses.length > 0),
  )
  for (const process of processes.values()) kernel.start(process)
  await kernel.run(ms(endMs))
  return { night: narrator.atEnd(kernel, seen()), chronicle }
}

/** Held back at the name that the story is about, and nowhere else. */
function gated(plain: Control, gate: Gate): Control {
  return {
    ...plain,
    read: async (names) => {
      if (names.includes(lockOf(hero))) await gate.pass('look')
      return plain.read(names)
    },
    batch: async (items) => {
      if (items.some(({ name }) => name === lockOf(hero))) await gate.pass('write')
      return plain.batch(items)
    },
  }
}

function capacityOf(kernel: Kernel, self: Process): Capacity {
  const coming = [...shifts]
  return {
    shifted: () =>
      new Promise((resolve) => {
        const shift = coming.shift()
        if (shift === undefined) return
        const weighted = balancers.map((balancer, index) => ({ ...balancer, weight: shift.weights[index] ?? 1 }))
        kernel.after(Math.max(0, ms(shift.atMs) - kernel.now), self, () => resolve(weighted))
      }),
  }
}

/** Turns what happens into lines, marks and facts. */
class Narrator {
  readonly #chronicle: Chronicle
  readonly #gate: Gate
  readonly #zone: ClassicZone
  readonly #now: () => number
  readonly #file: PlanFile
  readonly #counts = new Map<string, { published: number; refused: number }>()
  #standing = 0
  #backward = 0
  #lost = 0
  #emptySince: number | null = null
  #cleaner: string | null = null
  #stuck = new Set<string>()
  #holds = 0
  #started = new Map<string, number>()
  #turnedAway = false

  constructor(chronicle: Chronicle, gate: Gate, zone: ClassicZone, now: () => number, file: PlanFile) {
    this.#chronicle = chronicle
    this.#gate = gate
    this.#zone = zone
    this.#now = now
    this.#file = file
  }

  trace(by: string, event: TraceEvent): void {
    const plan = Number(event.plan)
    const chronicle = this.#chronicle
    switch (event.event) {
      case 'classic.planned':
        chronicle.tick('planner', 'plan', plan)
        if (plan <= 3 || plan === lastOfStorm) chronicle.say('planner', `files plan ${plan}`)
        if (plan === lastOfStorm - 1)
          chronicle.point(
            'planner',
            'note',
            'planner',
            `has filed ${planList} in twenty seconds: routine shifts of capacity that could have waited`,
          )
        if (plan === lastOfStorm + 1) chronicle.say('planner', `files plan ${plan}, and one a minute from now on`)
        break
      case 'classic.began':
        this.#started.set(by, this.#now())
        if (isNear(this.#now())) chronicle.begin('run', { lane: by, tone: 'plan', plan, text: String(plan) })
        if (by === starved && plan === 3)
          chronicle.point(
            by,
            'plan',
            by,
            'sets out with plan 3, and checks that nothing newer is live: the only time that it asks',
          )
        break
      case 'classic.lost':
        if (by !== starved || plan !== 3) break
        this.#lost += 1
        if (this.#lost === 1)
          chronicle.point(
            by,
            'note',
            by,
            `is late: another enactor has taken the lock of ${hero} meanwhile. It backs off, and will try plan 3 again`,
          )
        else
          chronicle.say(by, `loses the lock for the ${ordinal(this.#lost)} time; plan ${this.#standing} is live by now`)
        break
      case 'classic.cleaning':
        if (plan < lastOfStorm || this.#cleaner !== null) break
        this.#cleaner = by
        chronicle.point(
          by,
          'note',
          by,
          `has made plan ${plan} live everywhere, and cleans up: trees of plans before ${plan - keepPlans} are rubbish to it`,
        )
        this.#gate.cleaning(plan)
        break
      case 'classic.failed':
        chronicle.end('run', by)
        if (event.endpoint !== hero || this.#stuck.has(by)) break
        this.#stuck.add(by)
        if (this.#stuck.size === 1)
          chronicle.point(
            by,
            'bad',
            by,
            `tries plan ${plan}. Refused: it ${event.reason}. The rollback record must be what was live before, and that is gone`,
            `tries plan ${plan}; refused: rollback must become what was live before, and that no longer exists`,
          )
        else chronicle.say(by, `tries plan ${plan}, and is refused for the same reason`)
        break
      case 'classic.finished':
        chronicle.end('run', by)
        break
    }
  }

  hold(what: 'held' | 'let go', step: string): void {
    if (what === 'held') {
      this.#holds += 1
      this.#chronicle.begin('held', { lane: starved, tone: 'held' })
      if (this.#holds === 1) this.#chronicle.say(starved, `is held up on its way to the records of ${hero}`)
    } else {
      this.#chronicle.end('held', starved)
      if (step === 'look' && this.#holds > 1) this.#chronicle.say(starved, 'gets through at last')
    }
  }

  batch(by: string, items: readonly Item[], result: { readonly kind: string }): void {
    const touches = items.some(({ name }) => name === rootOf(hero))
    if (touches && this.#now() > tellUntilMs) this.#count(by, result.kind === 'done')
    // That the others lose the lock to each other now and then is as it should be.
    if (touches && result.kind !== 'done' && (by === starved || this.#emptySince !== null))
      this.#chronicle.message(by, answerLane, 'refused')
    if (result.kind !== 'done') return
    const root = items.find(({ action, name }) => action === 'CREATE' && name === rootOf(hero))
    if (root !== undefined) this.#flipped(by, planOfTree(targetOf(root.value)))
    const live = this.#zone.get(rootOf(hero))
    const deleted = items.find(({ action, name }) => action === 'DELETE' && live === aliasTo(name))
    if (deleted !== undefined) this.#emptied(by, planOfTree(deleted.name))
  }

  #flipped(by: string, plan: number): void {
    const chronicle = this.#chronicle
    chronicle.message(by, answerLane, 'write', plan)
    chronicle.begin('answer', { lane: answerLane, tone: 'plan', plan, text: String(plan) })
    const isBack = plan < this.#standing
    if (isBack) {
      this.#backward += 1
      chronicle.point(
        by,
        'plan',
        by,
        `wins the lock, fairly, and puts plan ${plan} over plan ${this.#standing}: the lock says whose turn it is, not whose plan is newer. Rollback is plan ${planOfTree(targetOf(this.#zone.get(rollbackOf(hero)) ?? ''))} now`,
      )
    } else if (plan <= 4 || plan >= lastOfStorm) chronicle.say(by, `makes plan ${plan} live at ${hero}`)
    this.#standing = plan
    this.#gate.stands(plan)
  }

  #emptied(by: string, plan: number): void {
    const chronicle = this.#chronicle
    chronicle.message(by, answerLane, 'delete', plan)
    chronicle.begin('answer', { lane: answerLane, tone: 'empty', text: 'NOERROR, no address' })
    this.#emptySince = this.#now()
    chronicle.point(
      answerLane,
      'bad',
      by,
      `deletes the tree of plan ${plan}, because it is old. It is live: ${hero} answers NOERROR, and no address`,
    )
  }

  customer(served: boolean): void {
    if (this.#now() <= tellUntilMs || this.#now() > endMs - 2_000)
      this.#chronicle.tick(customerLane, served ? 'good' : 'bad')
    if (served || this.#turnedAway) return
    this.#turnedAway = true
    this.#chronicle.point(
      customerLane,
      'bad',
      'customers',
      'cannot find the service, though every load balancer is healthy',
    )
  }

  #count(by: string, done: boolean): void {
    const counts = this.#counts.get(by) ?? { published: 0, refused: 0 }
    this.#counts.set(by, counts)
    if (done) counts.published += 1
    else counts.refused += 1
  }

  atEnd(kernel: Kernel, seen: Night['customers']): Night {
    const facts = enactors.map(
      (id): EnactorFacts => ({ id, ...(this.#counts.get(id) ?? { published: 0, refused: 0 }) }),
    )
    const refused = facts.reduce((sum, fact) => sum + fact.refused, 0)
    const published = facts.reduce((sum, fact) => sum + fact.published, 0)
    const answer = this.#zone.answer(hero)
    this.#chronicle.say(
      '',
      `an hour later: the enactors have tried ${refused} times and published ${published} times; ${hero} answers ${answer.addresses.length === 0 ? 'no address' : answer.addresses.join(' ')}`,
    )
    this.#chronicle.say('customers', `asked ${seen.asked} times and were turned away ${seen.turnedAway} times`)
    this.#chronicle.endAll()
    return {
      protocol: 'classic',
      hash: kernel.hash,
      events: kernel.events,
      newestPlan: this.#file.at(-1)?.number ?? 0,
      answer,
      emptySinceMs: answer.addresses.length === 0 ? this.#emptySince : null,
      backward: this.#backward,
      heldBack: this.#lost,
      enactors: facts,
      customers: seen,
    }
  }
}

function ordinal(count: number): string {
  return (
    ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth'][count - 1] ?? `${count}th`
  )
}

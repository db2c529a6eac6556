/**
 * The classic programs in the simulator, watched: what they ask and what becomes of it has to be, step by
 * step, what the table of their protocol allows.
 */
import { type Control, ControlApi } from '../classic/control.ts'
import { enactor } from '../classic/enactor.ts'
import type { PlanFile } from '../classic/planner.ts'
import { type BatchResult, ClassicZone, type Item, lockOf, planOfTree, rootOf, targetOf } from '../classic/zone.ts'
import { Kernel, ms, type Process } from '../sim/kernel.ts'
import { Network } from '../sim/network.ts'
import { stream } from '../sim/random.ts'
import { simulatedWorld } from '../sim/world.ts'
import { cell, Model } from './model.ts'
import type { Spec } from './spec.ts'

const endpoint = 'db'
const keepPlans = 1
const enactors = ['enactor-1', 'enactor-2', 'enactor-3'] as const

export interface ClassicRun {
  /** By action, how often. */
  readonly steps: ReadonlyMap<string, number>
  /** The first thing that the table does not allow, or null. */
  readonly refused: { readonly step: string; readonly condition: string } | null
  /** Whether the name answers with an address at the end. */
  readonly isAnswered: boolean
}

class Over extends Error {}

export async function runClassic(spec: Spec, seed: number, forMs: number): Promise<ClassicRun> {
  const kernel = new Kernel({ seed })
  const network = new Network(kernel)
  const random = stream(seed, 'classic')
  const zone = new ClassicZone()
  const api = new ControlApi(kernel, zone)
  const file: PlanFile = []
  const witness = new Witness(spec)
  api.listener = { batch: (by, items, result) => witness.batch(by.id, items, result) }
  for (const id of enactors) {
    const process = kernel.add(id, (self) => {
      const world = simulatedWorld(kernel, network, self, () => {})
      return enactor(world, { file, control: witness.watched(self, api.of(self)), endpoints: [endpoint], keepPlans })
    })
    kernel.start(process)
    for (let at = 0; at < forMs; at += random.between(500, 3_000))
      kernel.after(ms(at), null, () => kernel.pause(process, ms(random.between(0, 1_500))))
  }
  for (let at = 100; at < forMs; at += random.between(100, 1_200))
    kernel.arrive(ms(at), null, () => {
      const number = file.length + 1
      file.push({ number, balancers: [{ id: 'lb', address: `10.0.0.${number}`, weight: 1 }] })
      witness.take('planner', 'planner', 'files')
    })
  kernel.afterEvent = () => {
    if (witness.refused !== null) throw new Over()
  }
  try {
    await kernel.run(ms(forMs))
  } catch (error) {
    if (!(error instanceof Over)) throw error
  }
  const { steps, refused } = witness
  return { steps, refused, isAnswered: zone.answer(endpoint).addresses.length > 0 }
}

class Witness {
  readonly steps = new Map<string, number>()
  refused: ClassicRun['refused'] = null
  readonly #model: Model
  readonly #at: Readonly<Record<string, number>>
  /** What stood in the lock, and the model's number for it. */
  readonly #locks = new Map<string, number>()
  /** Whose tree was refused: it looks whether somebody else has built it. */
  readonly #unbuilt = new Set<string>()

  constructor(spec: Spec) {
    this.#at = spec.constants
    this.#model = new Model(spec, {
      constants: { ...spec.constants, KEEP: keepPlans },
      functions: {},
      domains: {},
    })
  }

  take(
    process: string,
    me: string,
    action: string,
    choice: Record<string, number> = {},
    then: ReadonlyMap<string, number> | null = null,
  ): void {
    if (this.refused !== null) return
    const condition = this.#model.step({ process, me, action, choice }, then)
    this.steps.set(action, (this.steps.get(action) ?? 0) + 1)
    if (condition !== null) this.refused = { step: `${me} ${action} ${JSON.stringify(choice)}`, condition }
  }

  #isAt(me: string, place: string): boolean {
    return this.#model.own('enactor', me, 'at') === this.#at[place]
  }

  watched({ id: me }: Process, control: Control): Control {
    return {
      ...control,
      read: async (names) => {
        const [first] = names
        const begins = names.length === 1 && first === rootOf(endpoint)
        if (begins) {
          if (this.#isAt(me, 'CLEANS')) this.take('enactor', me, 'finishes')
          this.take('enactor', me, 'looks')
        }
        const found = await control.read(names)
        if (begins) this.take('enactor', me, 'judges', {}, new Map([['root', planOf(found[0])]]))
        else if (first === lockOf(endpoint)) {
          const then = [['lock', this.#lockOf(found[0])] as const, ['root', planOf(found[1])] as const]
          this.take('enactor', me, 'reads', {}, new Map(then))
        } else if (this.#isAt(me, 'BUILDS')) {
          const wasRefused = this.#unbuilt.delete(me)
          if (found[0] !== undefined)
            this.take('enactor', me, 'finds', {}, new Map([[cell('tree', planOfTree(first ?? '')), 1]]))
          else if (wasRefused) this.take('enactor', me, 'fails')
        }
        return found
      },
    }
  }

  /** At the instant that it takes effect, or is refused. */
  batch(me: string, items: readonly Item[], { kind, ...result }: BatchResult): void {
    const isDone = kind === 'done'
    const root = items.find(({ action, name }) => action === 'CREATE' && name === rootOf(endpoint))
    const tree = items.find(({ name }) => name.startsWith('plan-'))
    if (root !== undefined) {
      const isLost = 'name' in result && result.name === lockOf(endpoint)
      this.take('enactor', me, isDone ? 'moves' : isLost ? 'loses' : 'breaks')
      const lock = items.find(({ action, name }) => action === 'CREATE' && name === lockOf(endpoint))
      if (isDone && lock !== undefined) this.#locks.set(lock.value, this.#model.get('lock'))
      if (isDone && this.#model.get('root') !== planOf(root.value))
        this.refused ??= { step: `${me} moves`, condition: `to its own plan, found ${root.value}` }
    } else if (this.#isAt(me, 'BUILDS')) {
      if (isDone) this.take('enactor', me, 'builds')
      else this.#unbuilt.add(me)
    } else if (isDone && tree !== undefined) this.take('enactor', me, 'cleans', { p: planOfTree(tree.name) })
  }

  #lockOf(value: string | undefined): number {
    return value === undefined ? 0 : (this.#locks.get(value) ?? -1)
  }
}

const planOf = (alias: string | undefined): number => (alias === undefined ? 0 : planOfTree(targetOf(alias)))

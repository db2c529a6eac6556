/**
 * The world that is explored for the protocol of October 2025: its enactors (`lab/classic/enactor.ts`),
 * a planner that files one plan after another, and the zone behind its control API.
 */
import type { EpochMs, Instant, World as ProgramWorld } from '../../src/world/world.ts'
import type { Violation } from '../checks/check.ts'
import type { Control } from '../classic/control.ts'
import { enactor } from '../classic/enactor.ts'
import type { Plan } from '../classic/planner.ts'
import { type BatchResult, ClassicZone, type Item, planOfTree, rootOf, targetOf } from '../classic/zone.ts'
import { Automaton } from './automaton.ts'
import { Interned } from './intern.ts'
import type { Operation, Self } from './program.ts'
import { reachableFrom } from './search.ts'
import { type Action, type Bounds, type Member, type Shared, type State, World } from './world.ts'

type Asked =
  | { readonly kind: 'publish' }
  | { readonly kind: 'look' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'read'; readonly names: readonly string[] }
  | { readonly kind: 'trees'; readonly endpoint: string }
  | { readonly kind: 'batch'; readonly items: readonly Item[] }

type Records = readonly (readonly [name: string, value: string])[]

/** Trees of plans that are older than one's own by more than this are cleaned up. */
const keepPlans = 1

export interface ClassicSize {
  readonly enactors: number
  readonly plans: number
  readonly endpoints: number
}

class ClassicShared implements Shared {
  readonly slots = 2
  /** Who loses the lock tries the same plan again, for ever if need be. */
  readonly mustEnd = false
  readonly #zones = new Interned<Records>()
  readonly #told = new Interned<unknown>()
  readonly #base: number
  readonly #endpoints: readonly string[]
  readonly #members: readonly Member[]
  #violation: Violation | null = null

  constructor(members: readonly Member[], enactors: number, endpoints: readonly string[]) {
    this.#members = members
    this.#endpoints = endpoints
    this.#base = World.baseOf(enactors + 1)
  }

  answerOf(told: number): unknown {
    return this.#told.value(told)
  }

  tell(told: number): string {
    return this.#told.text(told).split('\n', 1)[0] as string
  }

  takeViolation(): Violation | null {
    const violation = this.#violation
    this.#violation = null
    return violation
  }

  atRest(): Violation | null {
    return null
  }

  zoneOf(state: State): ClassicZone {
    return new ClassicZone(this.#zones.value(state[this.#base + 1] as number) ?? [])
  }

  compile({ text, data }: Operation, member: number): Action {
    const asked = data as Asked
    const isWrite = asked.kind === 'batch' || asked.kind === 'publish'
    const action = { text, isTimed: false, isWrite, canLie: false, isReady: () => true, isAlone: () => false }
    switch (asked.kind) {
      case 'publish':
        return {
          ...action,
          run: (state) => {
            const count = (state[this.#base] as number) + 1
            state[this.#base] = count
            return this.#told.number(`plan ${count}`, () => undefined)
          },
        }
      case 'look':
        return {
          ...action,
          run: (state) => {
            const count = state[this.#base] as number
            return this.#told.number(`the newest is plan ${count}`, () => count)
          },
        }
      case 'pause':
        return { ...action, isAlone: () => true, run: () => this.#told.number('\npause', () => undefined) }
      case 'read':
        return {
          ...action,
          run: (state) => {
            const zone = this.zoneOf(state)
            const found = asked.names.map((name) => zone.get(name))
            return this.#told.number(found.map((value) => value ?? 'nothing').join(', '), () => found)
          },
        }
      case 'trees':
        return {
          ...action,
          run: (state) => {
            const names = this.zoneOf(state).names()
            const trees = names.filter((name) => name.startsWith('plan-') && name.endsWith(`.${asked.endpoint}`))
            return this.#told.number(`${trees.join(', ')}\ntrees`, () => trees)
          },
        }
      case 'batch':
        return { ...action, run: (state) => this.#batch(state, asked.items, member) }
    }
  }

  #batch(state: State, items: readonly Item[], member: number): number {
    const zone = this.zoneOf(state)
    const before = this.#endpoints.map((endpoint) => zone.answer(endpoint))
    const result = zone.batch(items)
    if (result.kind === 'done') {
      const records = zone.names().map((name) => [name, zone.get(name) as string] as const)
      state[this.#base + 1] = this.#zones.number(JSON.stringify(records), () => records)
      for (const [index, endpoint] of this.#endpoints.entries()) {
        const after = zone.answer(endpoint)
        if (after.addresses.length > 0 || (before[index]?.addresses.length ?? 0) === 0) continue
        const by = this.#members[member]?.id
        this.#violation ??= {
          invariant: 'S2',
          text: `${by} left ${endpoint} with no address: NOERROR, and nothing in it`,
        }
      }
    }
    const text = result.kind === 'done' ? 'done' : `refused: ${result.reason}`
    return this.#told.number(text, (): BatchResult => result)
  }
}

export interface ClassicWorld {
  readonly world: World
  /** Whether, from this state, nothing that any program can do gives the name an address again; null if that is too much to say. */
  isStuck(state: State): Promise<boolean | null>
}

export function classicWorld({ enactors, plans, endpoints }: ClassicSize, bounds: Bounds): ClassicWorld {
  const names = Array.from({ length: endpoints }, (_, index) => (index === 0 ? 'db' : `db${index}`))
  const filed = Array.from({ length: plans }, (_, index): Plan => {
    const number = index + 1
    return { number, balancers: [{ id: 'lb', address: `10.0.0.${number}`, weight: 1 }] }
  })
  const members: Member[] = []
  const shared = new ClassicShared(members, enactors, names)
  const remembering = {
    memory: 'last' as const,
    streamOf: (topic: string) => topic,
    isBetween: () => false,
    isTimeRemembered: () => false,
    isSettledBy: () => false,
    isForgottenAtRest: (topic: string) => topic !== 'done',
    isAtRest: (operations: readonly Operation[]) => operations.every(({ topic }) => topic === 'look'),
  }
  const answerOf = (told: number) => shared.answerOf(told)
  const publishing = new Automaton('planner', (self) => publishAll(self, plans), remembering, answerOf)
  members.push({ id: 'planner', automaton: publishing, isCrashable: false, isOutside: true, own: null })
  for (let index = 1; index <= enactors; index++) {
    const id = `enactor-${index}`
    const automaton = new Automaton(id, (self) => enact(self, filed, names), remembering, answerOf)
    members.push({ id, automaton, isCrashable: true, isOutside: false, own: [] })
  }
  const world = new World(
    members,
    shared,
    { ...bounds, ticks: 0, stalls: 0 },
    { reduced: true, calm: false, twins: false },
  )
  return {
    world,
    async isStuck(state) {
      const empty = names.filter((name) => shared.zoneOf(state).answer(name).addresses.length === 0)
      const reachable = await reachableFrom(world, state, 200_000)
      if (reachable === null) return null
      return reachable.every((later) => empty.some((name) => shared.zoneOf(later).answer(name).addresses.length === 0))
    },
  }
}

const ask = <T>(self: Self, text: string, topic: string, asked: Asked): Promise<T> =>
  self.wait<T>({ text, topic, isTimed: false, data: asked })

async function publishAll(self: Self, plans: number): Promise<void> {
  for (let plan = 1; plan <= plans; plan++) await ask<void>(self, `files plan ${plan}`, 'publish', { kind: 'publish' })
  self.end()
}

function enact(self: Self, filed: readonly Plan[], endpoints: readonly string[]): Promise<never> {
  const file: Plan[] = []
  let isWorking = false
  const world: ProgramWorld = {
    id: self.id,
    clock: {
      now: () => 0 as Instant,
      wall: () => 0 as EpochMs,
      async sleep() {
        // Between runs the file is looked at next; while backing off it is not, and the same plan is tried again.
        if (isWorking) await ask<void>(self, 'backs off', 'pause', { kind: 'pause' })
        else {
          const count = await ask<number>(self, 'looks for plans', 'look', { kind: 'look' })
          file.splice(0, file.length, ...filed.slice(0, count))
        }
      },
    },
    random: { below: () => 0, bytes: (length) => new Uint8Array(length) },
    net: { ask: unused, connect: unused, request: unused },
    trace: ({ event, plan }) => {
      if (event === 'classic.began') isWorking = true
      if (event === 'classic.finished' || event === 'classic.failed' || event === 'classic.stale') isWorking = false
      if (event === 'classic.finished' || event === 'classic.stale') self.note('done', String(plan))
    },
  }
  const control: Control = {
    read: (names) => ask(self, `reads ${names.join(', ')}`, `read ${names.join(' ')}`, { kind: 'read', names }),
    trees: (endpoint) => ask(self, `lists the trees of ${endpoint}`, 'trees', { kind: 'trees', endpoint }),
    batch: (items) => ask(self, `${tellBatch(items)}\n${JSON.stringify(items)}`, 'batch', { kind: 'batch', items }),
  }
  return enactor(world, { file, control, endpoints, keepPlans })
}

const unused = (): never => {
  throw new Error('expected no use of the network in this world')
}

function tellBatch(items: readonly Item[]): string {
  const root = items.find(
    ({ action, name, value }) =>
      action === 'CREATE' && name === rootOf(name) && value.startsWith('ALIAS') && !name.startsWith('rollback.'),
  )
  if (root !== undefined) return `points ${root.name} at plan ${planOfTree(targetOf(root.value))}`
  const tree = items.find(({ name }) => /^plan-\d+\./.test(name))
  const what = items[0]?.action === 'DELETE' ? 'cleans up' : 'builds'
  return tree === undefined
    ? `changes ${items.map(({ name }) => name).join(' ')}`
    : `${what} the tree of plan ${planOfTree(tree.name)}`
}

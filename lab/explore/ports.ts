/** The ports of production programs in an explored world: every call is an operation that the world answers. */
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { Policy, PolicySource } from '../../src/model/policy.ts'
import type { Change, Provider, Published, Reading, WriteOutcome } from '../../src/providers/provider.ts'
import type { Commit, Compare, Entry, Range, Revision, Store, Watched, Write } from '../../src/store/store.ts'
import type { EpochMs, Instant, World } from '../../src/world/world.ts'
import { type Operation, type Self, tickMs } from './program.ts'

export type Asked =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'range'; readonly prefix: string }
  | { readonly kind: 'commit'; readonly compares: readonly Compare[]; readonly writes: readonly Write[] }
  | { readonly kind: 'watch'; readonly prefix: string; readonly after: Revision }
  | { readonly kind: 'read'; readonly names: readonly Name[] }
  | { readonly kind: 'write'; readonly change: Change }
  | { readonly kind: 'put'; readonly published: Published }
  | { readonly kind: 'sleep' }

/** Settling waits are over at once: they are there to save work, and nobody else can see them. */
const settleMs = 10

/** Traces after which a program may have other counters than those that it last wrote down. */
const counting = /^enact\.(applied|repaired|conflicted|fenced|outrun)$/

/** What can be known from outside of how far an enactor is: the plan that it read last, the last one of which it saw every live name. */
interface Known {
  head: number
  plan: number
  /** Names looked at since all were last seen. */
  readonly looked: Set<Name>
  /** Plans asked for and not found since then. */
  missed: string
  completed: number
  /** Who asks for the head next: a turn that begins, a turn that has read its plan, or a pass before it writes. */
  asks: 'turn' | 'plan' | 'pass'
  /** What the clock said each time that it was looked at in this turn: also at the end of every pass. */
  looks: string
}
const known = new WeakMap<Self, Known>()
function knownOf(self: Self): Known {
  const found = known.get(self) ?? {
    head: 0,
    plan: 0,
    looked: new Set<Name>(),
    missed: '',
    completed: 0,
    asks: 'pass',
    looks: '',
  }
  known.set(self, found)
  return found
}

export function worldOf(self: Self): World {
  const never = (): never => {
    throw new Error('expected no use of the network in this world')
  }
  // Time passes for all that wait for it, so they may as well wait together.
  let sleeping: Promise<void> | undefined
  const sleep = (): Promise<void> => {
    sleeping ??= ask<void>(self, 'sleep', 'sleep', { kind: 'sleep' }, true).then(() => {
      sleeping = undefined
    })
    return sleeping
  }
  return {
    id: self.id,
    clock: {
      now: () => {
        const now = self.now()
        knownOf(self).looks += ` ${now / tickMs}`
        self.note('looked', knownOf(self).looks)
        return now as Instant
      },
      wall: () => self.now() as EpochMs,
      sleep: (ms) => (ms <= settleMs ? Promise.resolve() : sleep()),
    },
    random: { below: () => 0, bytes: (length) => new Uint8Array(length) },
    net: { ask: never, connect: never, request: never },
    trace: ({ event, plan }) => {
      if (event === 'enact.completed') {
        const knows = knownOf(self)
        knows.completed = Number(plan)
        self.note('completed', String(plan))
        for (const name of knows.looked) self.note(`found ${name}`, '')
        knows.looked.clear()
        knows.missed = ''
        self.note('missed', '')
      }
      if (counting.test(event)) self.note('counted', 'since')
    },
  }
}

/** Asked at the beginning of every turn. */
export function policyOf(self: Self, policy: Policy): PolicySource {
  return {
    async read() {
      self.note('woken', '')
      const knows = knownOf(self)
      knows.asks = 'turn'
      knows.looks = ''
      self.note('looked', '')
      return { kind: 'policy', policy, modified: 0 as EpochMs }
    },
  }
}

function ask<T>(self: Self, text: string, topic: string, asked: Asked, isTimed = false): Promise<T> {
  const operation: Operation = { text, topic, isTimed, data: asked }
  return self.wait<T>(operation)
}

/** `canonical`: documents as far as programs act on them; what is written and read here has no counters and times. */
export function storeOf(self: Self, canonical: (key: string, value: Uint8Array) => Uint8Array): Store {
  const text = (write: Write) =>
    write.kind === 'put' && !/^(plan|shard)\//.test(write.key)
      ? `put ${write.key} ${new TextDecoder().decode(write.value)}`
      : `${write.kind} ${write.key}`
  return {
    async get(key) {
      const knows = knownOf(self)
      const isHead = key === keys.head.key()
      const topic = isHead ? `get head for ${knows.asks}` : `get ${key.replace(/^(plan)\/.*/, '$1')}`
      if (isHead) knows.asks = 'pass'
      const entry = await ask<Entry | undefined>(self, `get ${key}`, topic, { kind: 'get', key })
      if (isHead && entry !== undefined) knows.head = entry.revision
      if (key.startsWith(keys.plan.prefix)) {
        knows.asks = 'plan'
        knows.plan = Number(key.slice(keys.plan.prefix.length))
        // Whose plan is gone may take it that the store has lost its history, and forget what it saw.
        if (entry === undefined) {
          knows.missed += ` ${knows.plan}`
          self.note('missed', knows.missed)
        }
      }
      return entry
    },
    async range(prefix) {
      const range = await ask<Range>(self, `range ${prefix}`, `range ${prefix}`, { kind: 'range', prefix })
      // A turn that finds the live names of its plan done goes on to the retired ones, and has done them if there are none.
      const { head, completed } = knownOf(self)
      if (prefix === keys.progress.prefix && head === completed) self.note('retired', String(completed))
      return range
    },
    commit: (compares, given) => {
      // Nobody but people reads what a program says of its state.
      if (given.every(({ key }) => key.startsWith('status/')))
        return Promise.resolve({ kind: 'committed', revision: 1 as Revision })
      const writes = given.map(
        (write): Write => (write.kind === 'put' ? { ...write, value: canonical(write.key, write.value) } : write),
      )
      const condition = compares.map(({ key, revision }) => `if ${key}@${revision} `).join('')
      const topic = given.map(({ key }) => key.replace(/\/.*/, '')).join(' ')
      if (topic === 'progress') {
        self.note('counted', '')
        // It goes by when it began to say so, not by when that was done.
        self.note('said at', String(self.now() / tickMs))
      }
      // The last words count as memory, not only the answer to them.
      self.note(`wrote ${topic}`, writes.map(text).join(' '))
      return ask<Commit>(self, `${condition}${writes.map(text).join(' ')}`, `commit ${topic}`, {
        kind: 'commit',
        compares,
        writes,
      })
    },
    async watch(prefix, after) {
      const watched = await ask<Watched>(
        self,
        `watch ${prefix}@${after}`,
        'watch',
        { kind: 'watch', prefix, after },
        true,
      )
      self.note('woken', 'by the watch')
      return watched
    },
    close: async () => {},
  }
}

/** All names of a reading in one operation; each change an operation: a batch is many transactions. */
export function providerOf(self: Self): Provider & { put(published: Published): Promise<void> } {
  return {
    guarantee: 'atomic-conditional',
    async read(_zone, names) {
      const readings = await ask<readonly Reading[]>(self, `read ${names.join(' ')}`, 'read', { kind: 'read', names })
      // What was seen stays seen until all has been seen, whichever plan it was seen in.
      const knows = knownOf(self)
      for (const reading of readings) {
        if (reading.kind !== 'published') continue
        const { name, marker } = reading.published
        knows.looked.add(name)
        self.note(`found ${name}`, `${marker[0]?.[1] ?? 'nothing'} while ${knows.plan} was at work`)
      }
      return readings
    },
    write: async (_zone, changes) => {
      const outcomes: WriteOutcome[] = []
      for (const change of changes) {
        const { name, expected, marker } = change
        const found = expected.marker[0]?.find((item) => item.startsWith('g=')) ?? 'nothing'
        outcomes.push(
          await ask<WriteOutcome>(
            self,
            `write ${name} g=${marker.generation} if ${`${found} ${expected.addresses.join(' ')}`.trimEnd()}\n${JSON.stringify(change)}`,
            `write ${name}`,
            { kind: 'write', change },
          ),
        )
      }
      return outcomes
    },
    put: (published) =>
      ask<void>(self, `put ${published.name} ${published.addresses.join(' ')}`.trimEnd(), `put ${published.name}`, {
        kind: 'put',
        published,
      }),
  }
}

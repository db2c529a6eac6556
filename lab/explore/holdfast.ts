/**
 * The world that is explored for Holdfast: production enactors and sweep, and a planner that decides
 * and publishes one plan after another, each of which changes every endpoint.
 */
import { assert } from '../../src/base/assert.ts'
import { digestOf } from '../../src/base/bytes.ts'
import { enactor } from '../../src/enact/enactor.ts'
import { sweepOnce } from '../../src/enact/sweep.ts'
import type { IpAddress } from '../../src/model/address.ts'
import { type Generation, genesis } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import { shardLines } from '../../src/model/plan.ts'
import type { Policy, PolicySource } from '../../src/model/policy.ts'
import { compile, isCompiled } from '../../src/plan/compile.ts'
import { decide } from '../../src/plan/decide.ts'
import { type Publishable, publish } from '../../src/plan/publish.ts'
import { readHead } from '../../src/store/plans.ts'
import { type Revision, StoreOutage } from '../../src/store/store.ts'
import type { EpochMs, Instant, World } from '../../src/world/world.ts'
import { type Check, generationAt, type Scene, type Violation } from '../checks/check.ts'
import { forward } from '../checks/forward.ts'
import { neverEmpty } from '../checks/never-empty.ts'
import { wayBack } from '../checks/way-back.ts'
import { whole } from '../checks/whole.ts'
import { type Bounds, Machine, type Self } from './machine.ts'
import type { Instance } from './search.ts'
import { SharedAuthority, SharedStore } from './shared.ts'

export interface Size {
  readonly enactors: number
  readonly plans: number
  readonly endpoints: number
  readonly withSweep: boolean
}

const zone = 'test.' as Name
const keepPlans = 1
const nameOf = (endpoint: number): Name => `e${endpoint}.${zone}` as Name
const addressOf = (plan: number, endpoint: number): IpAddress => `10.0.${endpoint}.${plan}` as IpAddress

function policyOf(plan: number, endpoints: number): Policy {
  return {
    digest: digestOf(`policy ${plan}`),
    owner: 'lab',
    zones: new Map([
      [
        zone,
        { name: zone, authority: { kind: 'rfc2136', address: { host: '10.1.0.1', port: 53 } }, key: 'key.' as Name },
      ],
    ]),
    pools: new Map(),
    endpoints: new Map(
      Array.from({ length: endpoints }, (_, endpoint) => [
        nameOf(endpoint),
        {
          name: nameOf(endpoint),
          zone,
          ttl: 60,
          from: { kind: 'addresses', addresses: [{ address: addressOf(plan, endpoint), weight: 1 }] },
          adopt: false,
        },
      ]),
    ),
    keepPlans,
    coalesceMs: 0,
  }
}

/** Settling waits are over at once: they are there to save work, and nobody else can see them. */
const settleMs = 10

function worldOf(machine: Machine, self: Self): World {
  return {
    id: self.id,
    clock: {
      now: () => machine.now() as Instant,
      wall: () => machine.now() as EpochMs,
      sleep: (ms) =>
        ms <= settleMs
          ? self.wait(`settle`, () => ({ told: '', value: undefined }), 'private')
          : self.wait(
              `sleep`,
              () => ({ told: '', value: undefined }),
              'timed',
              () => false,
            ),
    },
    random: { below: () => 0, bytes: (length) => new Uint8Array(length) },
    net: {
      ask: () => never(),
      connect: () => never(),
      request: () => never(),
    },
    trace: () => {},
  }
}

function never(): never {
  throw new Error('expected no use of the network in this world')
}

/** What programs act on in a document; counters and times are for people. */
function canonical(key: string, text: string): string {
  if (!key.startsWith('progress/') && !key.startsWith('claim/')) return text
  const { enacted, blocked, ahead, working, generation } = JSON.parse(text) as Record<string, unknown>
  return JSON.stringify({ enacted, blocked, ahead, working, generation })
}

export function holdfastWorld(size: Size, bounds: Bounds): () => Instance {
  const plans = plansOf(size)
  const policy = policyOf(1, size.endpoints)
  return () => {
    const store = new SharedStore({
      canonical,
      isPrivate: (key, kind, by) => {
        if (key.startsWith('status/')) return true
        if (key === keys.claim.key(by) && kind === 'read') return true
        if (key === keys.progress.key(by) && kind === 'read') return true
        // The newest plan stays the newest once no other can come.
        if (key === keys.head.key() && kind === 'read' && machine.hasEnded('planner')) return true
        // Without a sweep nothing written once ever changes, and nobody acts on what only a sweep would:
        // progress is evidence of ownership where a marker was lost, and in this world nobody loses one.
        if (!size.withSweep) return /^(plan|shard|claim|progress)\//.test(key)
        return false
      },
    })
    const authority = new SharedAuthority()
    const machine: Machine = new Machine(bounds, () => `${store.text()}\n${authority.text()}`)
    const scene: Scene = {
      standing: (name) => authority.at(name),
      names: () => authority.names(),
      stored: (key) => store.peek(key),
      storedKeys: (prefix) => store.keys(prefix),
      now: () => machine.now(),
    }
    const checks: readonly Check[] = [forward(), neverEmpty(scene), whole(), wayBack(scene, keepPlans)]
    let found: Violation | null = null
    authority.onChange = (name, before, after, by) => {
      for (const check of checks) found ??= check.onRecords?.(name, before, after, by) ?? null
    }
    store.onCommit = (writes, by) => {
      for (const check of checks) found ??= check.onCommit?.(writes, by) ?? null
    }
    const source: PolicySource = {
      read: async () => ({ kind: 'policy', policy, modified: 0 as EpochMs }),
    }
    machine.add('planner', (self) => publishAll(self, store, plans), false)
    for (let index = 1; index <= size.enactors; index++)
      machine.add(
        `enactor-${index}`,
        (self) =>
          enactor(worldOf(machine, self), {
            store: store.of(self),
            policy: source,
            provider: () => authority.of(self),
            self: { pid: 0, http: null },
          }),
        true,
      )
    if (size.withSweep) machine.add('sweep', (self) => sweep(self, machine, store, size), true)
    return { machine, violation: () => found, atRest: () => arrived(store, authority) }
  }
}

/** Plans are the same in every interleaving, since one planner makes them one after another: made once. */
function plansOf({ plans, endpoints }: Size): readonly Publishable[] {
  const made: Publishable[] = []
  let previous: Parameters<typeof decide>[0]['previous'] = null
  for (let number = 1; number <= plans; number++) {
    const compiled = compile(policyOf(number, endpoints))
    assert(isCompiled(compiled), 'expected a policy that compiles')
    const decided = decide({
      compiled,
      observations: new Map(),
      overrides: [],
      refused: new Map(),
      previous,
      above: previous?.head.generation ?? genesis,
      rebase: null,
      rollback: null,
      since: 0 as EpochMs,
      noticed: null,
      now: 0 as EpochMs,
      author: 'planner',
    })
    assert(decided.kind === 'plan', `expected plan ${number}, found ${decided.kind}`)
    made.push(decided)
    previous = decided.text
  }
  return made
}

async function publishAll(self: Self, shared: SharedStore, plans: readonly Publishable[]): Promise<void> {
  const store = shared.of(self)
  for (const [before, plan] of plans.entries()) {
    const publication = await publish(store, plan, before as Revision)
    assert(publication.kind === 'published', `expected plan ${before + 1} to be published, found ${publication.kind}`)
  }
  self.done()
}

/** After every plan, and not more: a look that finds nothing new is the same look. */
async function sweep(self: Self, machine: Machine, shared: SharedStore, { plans }: Size): Promise<void> {
  const store = shared.of(self)
  const world = worldOf(machine, self)
  for (let seen = 0; seen < plans; ) {
    await store.watch(keys.head.prefix, seen as never, 1_000)
    const head = await readHead(store)
    if (head.kind !== 'head' || head.head.generation <= seen) continue
    seen = head.head.generation
    try {
      await sweepOnce(world, store, keepPlans)
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }
}

/** L1 and L2 at the end of all things: the newest plan is what every endpoint answers. */
function arrived(store: SharedStore, authority: SharedAuthority): Violation | null {
  const head = keys.head.decode(store.peek(keys.head.key()) ?? new Uint8Array())
  if (head === undefined) return { invariant: 'L1', text: 'there is no head' }
  const document = keys.plan.decode(store.peek(keys.plan.key(head.generation as Generation)) ?? new Uint8Array())
  if (document === undefined) return { invariant: 'S4', text: `plan ${head.generation} is gone` }
  for (const digest of document.shards) {
    const shard = store.peek(keys.shard.key(digest))
    if (shard === undefined) return { invariant: 'S4', text: `a shard of plan ${head.generation} is gone` }
    for (const line of shardLines(new TextDecoder().decode(shard))) {
      const [name, since, , , , record] = line.split(' ')
      const standing = authority.at(name as Name)
      const found = `${generationAt(standing)} ${standing.addresses.join(' ')}`
      const want = `${since} ${record?.replace(/\*.*/, '')}`
      if (found !== want) return { invariant: 'L1', text: `${name} is ${found}, plan ${head.generation} says ${want}` }
    }
  }
  return null
}

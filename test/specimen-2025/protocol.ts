/**
 * The protocol of October 2025, kept as a specimen: a planner that emits many plans, three enactors
 * that check once, at the start of a run, whether their plan is stale, a lock that is compared and
 * swapped on its *owner*, a clean-up that judges by age relative to its own plan, and a rollback record
 * that has to be set to what was active before, in the same transaction.
 *
 * Each of these was reasonable by itself. Under the schedule that history chose, they lose a name for good.
 */
import type { World } from '../../src/world/world.ts'
import { type Item, lockOf, rollbackOf, rootOf, treeOf } from './zone.ts'

export interface Plan {
  readonly number: number
  /** By endpoint. */
  readonly addresses: Readonly<Record<string, string>>
}

export const endpoints = ['dynamodb', 'streams'] as const

/** The control API: each call is a step of the schedule. */
export interface Api {
  read(key: string): Promise<string | undefined>
  list(prefix: string): Promise<readonly string[]>
  batch(items: readonly Item[]): Promise<boolean>
}

export async function planner(world: World, plans: Plan[], isOver: () => boolean): Promise<void> {
  for (let number = 1; !isOver(); number++) {
    const address = () => `192.0.2.${1 + world.random.below(200)}`
    plans.push({ number, addresses: Object.fromEntries(endpoints.map((endpoint) => [endpoint, address()])) })
    await world.clock.sleep(200 + world.random.below(400))
  }
}

export async function enactor(world: World, plans: readonly Plan[], api: Api): Promise<never> {
  for (;;) {
    const plan = plans.at(-1)
    if (plan !== undefined && !(await isStale(plan, api))) {
      for (const endpoint of endpoints) await apply(world, plan, endpoint, api)
      await cleanUp(plan, api)
    }
    await world.clock.sleep(50 + world.random.below(100))
  }
}

/** Once, at the start of the run. */
async function isStale(plan: Plan, api: Api): Promise<boolean> {
  for (const endpoint of endpoints) {
    const root = await api.read(rootOf(endpoint))
    if (root !== undefined && planOf(root) > plan.number) return true
  }
  return false
}

const planOf = (tree: string): number => Number(tree.split(' ')[2])

async function apply(world: World, plan: Plan, endpoint: string, api: Api): Promise<void> {
  const tree = treeOf(endpoint, plan.number)
  await api.batch([{ kind: 'create', key: tree, value: plan.addresses[endpoint] as string }])
  for (let tries = 0; tries < 10; tries++) {
    const lock = await api.read(lockOf(endpoint))
    const root = await api.read(rootOf(endpoint))
    const rollback = await api.read(rollbackOf(endpoint))
    if (root === tree) return
    const items: Item[] = []
    const replace = (key: string, old: string | undefined, value: string) => {
      if (old !== undefined) items.push({ kind: 'delete', key, value: old })
      items.push({ kind: 'create', key, value })
    }
    replace(lockOf(endpoint), lock, `${world.id} ${world.clock.wall()} ${world.random.below(1_000_000)}`)
    replace(rootOf(endpoint), root, tree)
    if (root !== undefined) replace(rollbackOf(endpoint), rollback, root)
    if (await api.batch(items)) return
    // Lost the lock: back off, and try the same plan again.
    await world.clock.sleep(20 + world.random.below(20 * 2 ** tries))
  }
}

/** Whatever is much older than the plan just applied is rubbish. */
async function cleanUp(plan: Plan, api: Api): Promise<void> {
  for (const endpoint of endpoints)
    for (const tree of await api.list(`tree ${endpoint} `)) {
      if (planOf(tree) >= plan.number - 3) continue
      const value = await api.read(tree)
      if (value !== undefined) await api.batch([{ kind: 'delete', key: tree, value }])
    }
}

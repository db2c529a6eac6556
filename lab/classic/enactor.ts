/**
 * The classic enactor. Two at once were considered safe, and an older plan in between normal and
 * self-correcting. Each piece was reasonable by itself:
 *
 * - whether its plan is stale is asked once, at the start of a run;
 * - one lock for each endpoint, compared and swapped on its *owner* in the batch that moves the root;
 *   who loses backs off and tries again, with the same plan;
 * - a plan's tree is built beside the live one (copy on write), tested, and made live by one alias;
 * - the rollback record is set, in the same batch, to what was live before, which has to exist;
 * - when all is done, trees much older than one's own plan are rubbish.
 */
import type { World } from '../../src/world/world.ts'
import type { Control } from './control.ts'
import type { Plan, PlanFile } from './planner.ts'
import { aliasTo, type Item, leafOf, lockOf, planOfTree, rollbackOf, rootOf, targetOf, treeOf } from './zone.ts'

export interface EnactorPorts {
  readonly file: PlanFile
  readonly control: Control
  /** In the order in which they are walked. */
  readonly endpoints: readonly string[]
  /** Trees of plans this much older than one's own are cleaned up. */
  readonly keepPlans: number
}

const periodMs = 150
/** After a run that failed. */
const retryMs = 2_000
const backoffMs = { first: 150, most: 1_600 }

export async function enactor(world: World, ports: EnactorPorts): Promise<never> {
  let done = 0
  for (;;) {
    const plan = ports.file.at(-1)
    const isNew = plan !== undefined && plan.number > done
    const isDone = isNew && (await run(world, plan, ports))
    if (isDone) done = plan.number
    const rest = isNew && !isDone ? retryMs : periodMs
    await world.clock.sleep(rest + world.random.below(periodMs))
  }
}

/** False when it gave up on the way. */
async function run(world: World, plan: Plan, ports: EnactorPorts): Promise<boolean> {
  const { endpoints, control } = ports
  if (await isStale(plan, endpoints, control)) {
    world.trace({ event: 'classic.stale', plan: plan.number })
    return true
  }
  world.trace({ event: 'classic.began', plan: plan.number })
  for (const endpoint of endpoints) {
    const failure = await apply(world, plan, endpoint, control)
    if (failure === null) continue
    world.trace({ event: 'classic.failed', plan: plan.number, endpoint, reason: failure })
    return false
  }
  await cleanUp(world, plan, ports)
  world.trace({ event: 'classic.finished', plan: plan.number })
  return true
}

/** Once, at the start of the run. Whatever is found later to be newer is overwritten. */
async function isStale(plan: Plan, endpoints: readonly string[], control: Control): Promise<boolean> {
  const roots = await control.read(endpoints.map(rootOf))
  return roots.some((root) => root !== undefined && planOfTree(targetOf(root)) > plan.number)
}

/** Null when the endpoint answers from this plan's tree; else why it cannot be made to. */
async function apply(world: World, plan: Plan, endpoint: string, control: Control): Promise<string | null> {
  const tree = treeOf(endpoint, plan.number)
  const unbuilt = await build(plan, tree, control)
  if (unbuilt !== null) return unbuilt
  for (let lost = 0; ; lost++) {
    const [lock, root, rollback] = await control.read([lockOf(endpoint), rootOf(endpoint), rollbackOf(endpoint)])
    if (root === aliasTo(tree)) return null
    const items = [
      ...replace(lockOf(endpoint), lock, `${world.id} ${world.clock.wall()}`),
      ...(root === undefined ? [] : replace(rollbackOf(endpoint), rollback, root)),
      ...replace(rootOf(endpoint), root, aliasTo(tree)),
    ]
    const result = await control.batch(items)
    if (result.kind === 'done') return null
    if (result.name !== lockOf(endpoint)) return result.reason
    const most = Math.min(backoffMs.most, backoffMs.first * 2 ** lost)
    world.trace({ event: 'classic.lost', plan: plan.number, endpoint, times: lost + 1 })
    await world.clock.sleep(most / 2 + world.random.below(most / 2))
  }
}

function replace(name: string, old: string | undefined, value: string): readonly Item[] {
  const create: Item = { action: 'CREATE', name, value }
  return old === undefined ? [create] : [{ action: 'DELETE', name, value: old }, create]
}

/** Leaves first, then the weighted record over them; another enactor may have built the same tree already. */
async function build(plan: Plan, tree: string, control: Control): Promise<string | null> {
  const [found] = await control.read([tree])
  if (found !== undefined) return null
  const leaves = plan.balancers.map(({ id, address }): Item => {
    return { action: 'CREATE', name: leafOf(id, tree), value: address }
  })
  const value = plan.balancers.map(({ id, weight }) => `${leafOf(id, tree)}*${weight}`).join(' ')
  const result = await control.batch([...leaves, { action: 'CREATE', name: tree, value }])
  if (result.kind === 'done') return null
  const [again] = await control.read([tree])
  return again === value ? null : result.reason
}

/** What is much older than the plan just applied cannot be in use any more: that is what it believes. */
async function cleanUp(world: World, plan: Plan, { endpoints, control, keepPlans }: EnactorPorts): Promise<void> {
  for (const endpoint of [...endpoints].reverse()) {
    const trees = await control.trees(endpoint)
    for (const tree of trees) {
      const number = planOfTree(tree)
      if (number >= plan.number - keepPlans) continue
      world.trace({ event: 'classic.cleaning', plan: plan.number, endpoint, old: number })
      const [value] = await control.read([tree])
      if (value === undefined) continue
      const names = value.split(' ').map((leaf) => leaf.slice(0, leaf.lastIndexOf('*')))
      const addresses = await control.read(names)
      const items = names.flatMap((name, index): readonly Item[] => {
        const address = addresses[index]
        return address === undefined ? [] : [{ action: 'DELETE', name, value: address }]
      })
      await control.batch([{ action: 'DELETE', name: tree, value }, ...items])
    }
  }
}

/**
 * The classic planner: whenever the load balancers' capacity shifts, however little, it files a plan for
 * the whole region. Each by itself is right; there are many more than anybody needs.
 */
import type { World } from '../../src/world/world.ts'

/** One regional plan: how much of the traffic each load balancer should get, at every endpoint alike. */
export interface Plan {
  readonly number: number
  readonly balancers: readonly { readonly id: string; readonly address: string; readonly weight: number }[]
}

/** The filed plans, oldest first: a planner appends, enactors read the last. */
export type PlanFile = Plan[]

/** What the planner watches: resolves when the capacity has shifted, with the new one. */
export interface Capacity {
  shifted(): Promise<Plan['balancers']>
}

export async function planner(world: World, file: PlanFile, capacity: Capacity): Promise<never> {
  for (;;) {
    const balancers = await capacity.shifted()
    const number = (file.at(-1)?.number ?? 0) + 1
    file.push({ number, balancers })
    world.trace({ event: 'classic.planned', plan: number })
  }
}

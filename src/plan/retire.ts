/** Whether names may be given up: only names that the policy no longer has, and that nothing points at. */
import type { Name } from '../model/name.ts'
import { type PlanText, shardLines } from '../model/plan.ts'
import type { Instructions, Situation } from './assess.ts'
import { nameOf } from './difference.ts'

/** Why each of the retirements that cannot be is refused, by the subject of its override. */
export function refuseRetirements(
  { compiled, previous }: Situation & { readonly previous: PlanText | null },
  { retire, pinned }: Instructions,
): ReadonlyMap<string, string> {
  const refused = new Map<string, string>()
  const going = new Set<Name>()
  for (const name of retire) {
    if (compiled.policy.endpoints.has(name))
      refused.set(`retire/${name}`, 'the policy still has it: take it out of the policy first')
    else if (pinned.has(name)) refused.set(`retire/${name}`, 'it is pinned: unpin it first')
    else going.add(name)
  }
  const pointing = aliasesOf(previous, going)
  // An alias that may not go keeps its target, which keeps the target's target, and so on.
  for (let before = -1; before !== refused.size; ) {
    before = refused.size
    for (const { alias, target } of pointing) {
      if (!going.has(target) || going.has(alias)) continue
      going.delete(target)
      refused.set(`retire/${target}`, `${alias} is an alias of it: retire or change that one first`)
    }
  }
  return refused
}

function aliasesOf(
  plan: PlanText | null,
  targets: ReadonlySet<Name>,
): { readonly alias: Name; readonly target: Name }[] {
  const found: { alias: Name; target: Name }[] = []
  if (plan === null || targets.size === 0) return found
  for (const index of plan.head.shards.keys()) {
    const text = plan.shard(index)
    if (![...targets].some((target) => text.includes(` alias ${target}\n`))) continue
    for (const line of shardLines(text)) {
      const target = line.slice(line.lastIndexOf(' ') + 1) as Name
      if (targets.has(target) && line.endsWith(` alias ${target}`)) found.push({ alias: nameOf(line), target })
    }
  }
  return found
}

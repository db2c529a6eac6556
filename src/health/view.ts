/** Each target as the detector and the gates have it: what operators look at. */
import type { TargetState } from '../model/plan.ts'
import { holdUntil, isDown } from './detector.ts'
import type { Settled } from './reasons.ts'
import type { TargetView } from './step.ts'
import { weightsAt } from './weights.ts'

/** By target id, in the order of the pool. */
export function viewsOf({ work, state }: Settled): ReadonlyMap<string, TargetView> {
  const { input, layout, evidence, states, gates } = work
  const { pool, now } = input
  const shares = weightsAt(pool, state, now)
  const views = new Map<string, TargetView>()
  for (const [i, id] of layout.ids.entries()) {
    const target = states[i] as TargetState
    const gate = gates.get(i)
    const until = isDown(target) ? holdUntil(pool, target) : null
    views.set(id, {
      state: nameOf(target, (evidence.badRuns[i] as number) > 0),
      share: shares.get(id) ?? 0,
      seen: evidence.text(i),
      gate: gate?.by ?? null,
      until: gate?.until ?? null,
      heldDownUntil: until !== null && until > now ? until : null,
    })
  }
  return views
}

function nameOf(state: TargetState, failing: boolean): TargetView['state'] {
  switch (state.kind) {
    case 'serving':
      return failing ? 'suspect' : 'healthy'
    case 'held':
      return state.by === 'drain' ? 'admin' : 'down'
    case 'ramping':
      return isDown(state) ? 'down' : 'ramp'
    case 'drained':
      return 'admin'
    default:
      return state.kind
  }
}

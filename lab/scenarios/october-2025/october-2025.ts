/** `holdfast lab replay october-2025`: the night of 20 October 2025, with either protocol. */
import type { Scenario, Told } from '../../scenario.ts'
import { classicNight } from './classic.ts'
import { holdfastNight } from './holdfast.ts'
import { diagramOf, type Night } from './night.ts'
import { hero } from './schedule.ts'

export const october2025: Scenario = {
  name: 'october-2025',
  summary: 'A slow enactor, many plans and a clean-up: the race that took a region from the phone book.',
  protocols: ['holdfast', 'classic'],
  async run({ protocol, tell, seed = 1 }): Promise<Told> {
    const isClassic = protocol === 'classic'
    const { night, chronicle } = await (isClassic ? classicNight : holdfastNight)({ seed, tell })
    return {
      verdict: isClassic ? classicVerdict(night) : holdfastVerdict(night),
      asExpected: isClassic ? isLostForGood(night) : isUnharmed(night),
      hash: night.hash,
      svg: diagramOf(night, chronicle, isClassic ? classicDescription : holdfastDescription),
      facts: night,
    }
  },
}

/** The name answers no address, and every enactor tries on and gets nowhere. */
export function isLostForGood({ answer, emptySinceMs, enactors }: Night): boolean {
  const isStuck = enactors.every(({ published, refused }) => published === 0 && refused > 0)
  return emptySinceMs !== null && answer.addresses.length === 0 && isStuck
}

/** Nobody was turned away, nothing went back, and the newest plan stands, though writes came late. */
export function isUnharmed({ answer, emptySinceMs, backward, heldBack, newestPlan, customers }: Night): boolean {
  const isNewest = answer.plan === newestPlan && answer.addresses.length > 0
  return emptySinceMs === null && backward === 0 && customers.turnedAway === 0 && isNewest && heldBack > 0
}

const sum = (counts: readonly number[]): string =>
  counts.reduce((total, count) => total + count, 0).toLocaleString('en')

function classicVerdict(night: Night): string {
  const { enactors, customers, backward } = night
  if (!isLostForGood(night))
    return `With this seed the race was not lost: plans went back ${backward} times at ${hero}, and it answers. Try another seed.`
  return `Lost, and not to be repaired by the automation itself. ${hero} answers NOERROR and no address; in the hour that followed the three enactors tried ${sum(enactors.map(({ refused }) => refused))} times and published nothing, because each update has to set the rollback record to what was live before, and that is gone. ${sum([customers.turnedAway])} of ${sum([customers.asked])} questions got no address, while every load balancer was healthy. Each piece did what it should: the lock said whose turn it was and not whose plan was newer; whether the plan was stale had been asked half a minute before; the clean-up judged by age and not by what was live.`
}

function holdfastVerdict(night: Night): string {
  const { heldBack, customers, newestPlan, answer, backward } = night
  if (!isUnharmed(night))
    return `Harmed: ${hero} answers ${answer.addresses.length} addresses of plan ${answer.plan} while plan ${newestPlan} is the newest; it went back ${backward} times; ${customers.turnedAway} questions got no address. This is a violation of S1 or S2.`
  return `Nothing was lost. The same enactor was held up at the same places, with the same plans; it came late ${heldBack} times, and was turned down each time before anything was changed, because a write names the generation that it replaces and the authority compares it in the same transaction. Who is late drops its plan and reads the newest, so nobody falls far behind. Records hold addresses and refer to no plan, so the sweep cannot empty a name; and an update does not depend on what it replaces, so there is nothing to be stuck on. All ${sum([customers.asked])} questions were answered.`
}

const classicDescription = `Lanes for a planner, three enactors, what the name answers, and customers; time runs to the right. Plans follow each other quickly. Enactor 2, with plan 3, is held up again and again. It then puts plan 3 over plan 20; another enactor's clean-up deletes plan 3 because it is old, and the name answers no address from then on. An hour later nothing has changed: every enactor's updates are refused, and customers are turned away.`
const holdfastDescription = `The same lanes and the same delays with Holdfast. Each late write of enactor 2 is refused before it changes anything, and it goes on with the newest plan. The name answers the newest plan all the time, and every customer is served, an hour later too.`

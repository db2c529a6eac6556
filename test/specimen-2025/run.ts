/** The specimen under a seeded schedule. Its only fault are pauses: the "unusually high delays" of the night. */
import { type Program, Schedule } from '../support/schedule.ts'
import { type Api, enactor, endpoints, type Plan, planner } from './protocol.ts'
import { Zone } from './zone.ts'

export interface Night {
  readonly seed: number
  /** Endpoints that answered nothing when the storm was over. */
  readonly dark: readonly string[]
  /** Endpoints that still answer nothing after all programs ran undisturbed for this long. */
  readonly darkForGood: readonly string[]
  /** How often a root went back to an older plan. */
  readonly regressions: number
}

/** `pause`: in percent of the steps. */
export async function night(seed: number, pause = 0.5): Promise<Night> {
  const schedule = new Schedule(seed)
  const zone = new Zone()
  const plans: Plan[] = []
  let storm = true
  let regressions = 0
  const api = (program: Program): Api => {
    const call = async <T>(work: () => T): Promise<T> => {
      await schedule.step(program)
      const result = work()
      await schedule.step(program)
      return result
    }
    return {
      read: (key) => call(() => zone.records.get(key)),
      list: (prefix) => call(() => [...zone.records.keys()].filter((key) => key.startsWith(prefix))),
      batch: (items) =>
        call(() => {
          const done = zone.batch(items)
          const number = (value: string | undefined) => Number(value?.split(' ')[2] ?? 0)
          for (const { kind, key, value } of done ? items : []) {
            const old = items.find((item) => item.kind === 'delete' && item.key === key)?.value
            if (kind === 'create' && key.startsWith('root ') && number(value) < number(old)) regressions++
          }
          return done
        }),
    }
  }
  schedule.spawn('planner', (program) => planner(schedule.world(program), plans, () => !storm))
  for (const id of ['enactor-1', 'enactor-2', 'enactor-3'])
    schedule.spawn(id, (program) => enactor(schedule.world(program), plans, api(program)))
  const dark = () => endpoints.filter((endpoint) => zone.answer(endpoint).length === 0)
  await schedule.run({
    steps: 3_000,
    before: () => {
      if (schedule.chance(pause))
        schedule.pick([...schedule.programs.values()]).pausedUntil = schedule.steps + schedule.random.below(600)
    },
  })
  storm = false
  for (const program of schedule.programs.values()) program.pausedUntil = 0
  const atOnce = dark()
  await schedule.run({ steps: 2_000 })
  return { seed, dark: atOnce, darkForGood: dark(), regressions }
}

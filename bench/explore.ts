/**
 * Every interleaving of small worlds: production code in the lab's explorer, beside Spin on a model of the
 * same protocol in the same run. Spin's model has no code in it, so it is smaller and faster; the
 * number to look at is how much of a world with the real programs is seen in a second.
 */
import { classicWorld } from '../lab/explore/classic.ts'
import { holdfastWorld } from '../lab/explore/holdfast.ts'
import { type Explored, search } from '../lab/explore/search.ts'
import { type SpinResult, spin } from '../lab/spec/spin.ts'

const isQuick = process.argv.includes('--quick')
const limits = { states: 500_000_000, ms: 600_000, bytes: 2 ** 31 }

function print(metric: string, value: number, unit: string, against?: string, ratio?: number): void {
  const rounded = (number: number) => Number(number.toPrecision(4))
  const beside = against === undefined || ratio === undefined ? {} : { against, ratio: rounded(ratio) }
  console.log(JSON.stringify({ bench: 'explore', metric, value: rounded(value), unit, ...beside }))
}

function tell(label: string, explored: Explored, model: SpinResult | null, wanted: Explored['kind']): void {
  const end = explored.kind === 'stopped' ? `, stopped (${explored.why})` : ''
  if (explored.kind !== wanted && explored.kind !== 'stopped')
    throw new Error(`${label}: expected ${wanted}, found ${explored.kind}: ${explored.violation?.text}`)
  print(`${label}: states${end}`, explored.states, 'states')
  print(`${label}: transitions`, explored.transitions, 'transitions')
  const against = model === null ? undefined : `Spin, ${model.states} states of its model, same run`
  print(
    `${label}: time`,
    explored.ms / 1000,
    's',
    against,
    model === null ? undefined : Math.max(model.ms, 10) / explored.ms,
  )
  print(`${label}: states a second`, (explored.states / explored.ms) * 1000, 'states/s')
  if (model !== null) {
    print(`${label}: Spin's states`, model.states, 'states')
    print(`${label}: Spin's time`, model.ms / 1000, 's')
  }
}

const classic = classicWorld({ enactors: 2, plans: 3, endpoints: 1 }, { crashes: 0, stalls: 0, ticks: 0, lies: 0 })
tell('classic 2 x 3 x 1, the race', await search(classic.world, limits), spin('classic', {}), 'violated')

const worlds = isQuick
  ? [{ enactors: 2, plans: 2, endpoints: 1, withSweep: false, crashes: 1, stalls: 1 }]
  : [
      { enactors: 2, plans: 2, endpoints: 1, withSweep: false, crashes: 1, stalls: 1 },
      { enactors: 2, plans: 3, endpoints: 1, withSweep: false, crashes: 0, stalls: 0 },
      { enactors: 2, plans: 3, endpoints: 1, withSweep: false, crashes: 1, stalls: 1 },
    ]
for (const size of worlds) {
  const { enactors, plans, endpoints, crashes, stalls } = size
  const { world } = holdfastWorld(size, { crashes, stalls, ticks: 1, lies: 0 })
  const model = spin('holdfast', { ENACTORS: enactors, PLANS: plans, ENDPOINTS: endpoints, CRASHES: crashes })
  const label = `${enactors} enactors x ${plans} plans x ${endpoints} endpoint, ${crashes} crash, ${stalls} stall`
  tell(label, await search(world, limits), model, 'all')
}

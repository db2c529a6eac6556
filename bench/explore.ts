/**
 * Every interleaving of small worlds: the production programs in the lab's explorer, beside Spin on its Promela
 * rendering of the same world, in the same run. Spin's model has no code in it. What the explorer needs besides
 * is the learning: production code run along every past that a program can have.
 *
 *     nice node bench/explore.ts            all worlds, some minutes
 *     nice node bench/explore.ts --quick    the small ones
 *     nice node bench/explore.ts '3 x 3 x 2, 1 crash'    those that are called so
 */
import { classicWorld } from '../lab/explore/classic.ts'
import { holdfastWorld, type Size } from '../lab/explore/holdfast.ts'
import { type Explored, search } from '../lab/explore/search.ts'
import type { Bounds } from '../lab/explore/world.ts'
import { type SpinResult, spin } from '../lab/spec/spin.ts'

const asked = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? ''
const isQuick = process.argv.includes('--quick')
const limits = { states: 4_000_000_000, ms: 600_000, bytes: 2 ** 33 }
const spinMiB = 2_048

/** Null without Spin, or where it came to the end of memory or patience before the end of the world. */
function spinOn(model: 'holdfast' | 'classic', defines: Readonly<Record<string, number | true>>): SpinResult | null {
  try {
    return spin(model, defines, spinMiB)
  } catch (error) {
    console.error(`Spin on ${model} ${JSON.stringify(defines)}: ${String(error).slice(0, 200)}`)
    return null
  }
}

function print(metric: string, value: number, unit: string, against?: string, ratio?: number): void {
  const rounded = (number: number) => Number(number.toPrecision(4))
  const beside = against === undefined || ratio === undefined ? {} : { against, ratio: rounded(ratio) }
  console.log(JSON.stringify({ bench: 'explore', metric, value: rounded(value), unit, ...beside }))
}

interface Cost {
  /** Wall and processor time of learning and exploring together, in milliseconds. */
  readonly ms: number
  readonly cpuMs: number
  readonly learningMs: number
}

function tell(label: string, explored: Explored, cost: Cost, model: SpinResult | null): void {
  const end = explored.kind === 'stopped' ? `, stopped: ${explored.why}` : ''
  const against = model === null ? undefined : `Spin, ${model.kind === 'stopped' ? 'stopped, ' : ''}same run`
  // Spin says hundredths of a second.
  const spinMs = model === null ? undefined : Math.max(10, model.ms)
  const ratio = (theirs: number | undefined, ours: number) => (theirs === undefined ? undefined : theirs / ours)
  print(`${label}: states${end}`, explored.states, 'states', against, ratio(model?.states, explored.states))
  print(`${label}: transitions`, explored.transitions, 'transitions')
  print(`${label}: time, learning included`, cost.ms / 1000, 's', against, ratio(spinMs, cost.ms))
  print(`${label}: time of the search alone`, explored.ms / 1000, 's', against, ratio(spinMs, explored.ms))
  print(`${label}: processor time`, cost.cpuMs / 1000, 's')
  print(`${label}: learning`, cost.learningMs / 1000, 's')
  print(`${label}: states a second`, (explored.states / explored.ms) * 1000, 'states/s')
  print(`${label}: memory for states`, explored.bytes / 2 ** 20, 'MiB', against, ratio(model?.bytes, explored.bytes))
  print(`${label}: memory of the process`, process.memoryUsage.rss() / 2 ** 20, 'MiB')
  if (model === null) return
  print(`${label}: Spin's states`, model.states, 'states')
  print(`${label}: Spin's time`, model.ms / 1000, 's')
  print(`${label}: Spin's memory`, model.bytes / 2 ** 20, 'MiB')
}

function expected(label: string, { kind, violation }: Explored, wanted: Explored['kind']): void {
  if (kind !== wanted && kind !== 'stopped')
    throw new Error(`${label}: expected ${wanted}, found ${kind}: ${violation?.text}`)
}

const classic = classicWorld({ enactors: 2, plans: 3, endpoints: 1 }, { crashes: 0, stalls: 0, ticks: 0, lies: 0 })
const race = await search(classic.world, limits)
expected('classic', race, 'violated')
tell('classic 2 x 3 x 1, the race', race, { ms: race.ms, cpuMs: race.ms, learningMs: 0 }, spinOn('classic', {}))

const size = (enactors: number, plans: number, endpoints: number, withSweep = false): Size => ({
  enactors,
  plans,
  endpoints,
  withSweep,
})
const bounds = (crashes: number, stalls: number): Bounds => ({ crashes, stalls, ticks: 1, lies: 0 })
const worlds: readonly (readonly [Size, Bounds])[] = isQuick
  ? [[size(2, 2, 1), bounds(1, 1)]]
  : [
      [size(2, 3, 1), bounds(0, 0)],
      [size(2, 3, 1), bounds(1, 1)],
      [size(2, 3, 1, true), bounds(0, 0)],
      [size(3, 3, 1), bounds(1, 0)],
      [size(3, 3, 2), bounds(0, 0)],
      [size(3, 3, 2), bounds(1, 0)],
      [size(3, 3, 2), bounds(1, 1)],
    ]
for (const [of, within] of worlds) {
  const { enactors, plans, endpoints, withSweep } = of
  const { crashes, stalls } = within
  const label = `${enactors} x ${plans} x ${endpoints}, ${crashes} crash, ${stalls} stall${withSweep ? ', sweep' : ''}`
  if (!label.includes(asked)) continue
  const sweep = withSweep ? { SWEEP: true as const } : {}
  const model = spinOn('holdfast', {
    ENACTORS: enactors,
    PLANS: plans,
    ENDPOINTS: endpoints,
    CRASHES: crashes,
    ...sweep,
  })
  const started = performance.now()
  const cpu = process.cpuUsage()
  const { world } = holdfastWorld(of, within)
  const explored = await search(world, limits)
  const ms = performance.now() - started
  expected(label, explored, 'all')
  tell(label, explored, { ms, cpuMs: process.cpuUsage(cpu).user / 1000, learningMs: ms - explored.ms }, model)
}

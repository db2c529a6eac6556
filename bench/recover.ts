/**
 * Recoveries: the governor and what services do without one, each on the same simulated fleets, as times of
 * the lower bound (100 % of the live hosts hold a lease; `t99` where it says so). Then what a host costs.
 *
 * A figure of 0 stands for "never": not within ten times the bound. Simulated time does not depend on the
 * machine; the figures at the end do.
 */

import { governor, naive, policies } from '../lab/recover/policies.ts'
import type { Figures } from '../lab/recover/record.ts'
import { nameOf, scaled, termsOf, usual } from '../lab/recover/scenario.ts'
import { scenarios } from '../lab/recover/scenarios.ts'
import { simulate } from '../lab/recover/simulate.ts'
import { Governor } from '../src/recover/governor.ts'
import { none } from '../src/recover/pump.ts'

const quick = process.argv.includes('--quick')
const hosts = quick ? 10_000 : 100_000
const seeds = quick ? 2 : 20

function say(
  metric: string,
  value: number,
  unit: string,
  against?: { readonly name: string; readonly ratio: number },
): void {
  const rounded = Number(value.toPrecision(4))
  const beside = against === undefined ? {} : { against: against.name, ratio: Number(against.ratio.toPrecision(3)) }
  console.log(JSON.stringify({ bench: 'recover', metric, value: rounded, unit, ...beside }))
}

const times = (figures: Figures): number => figures.t100 / figures.bound
const finite = (value: number): number => (Number.isFinite(value) ? value : 0)
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
const median = (values: readonly number[]): number => {
  const all = sorted(values)
  return ((all[(all.length - 1) >> 1] as number) + (all[all.length >> 1] as number)) / 2
}
const worst = (values: readonly number[]): number => Math.max(...values)

function governed(): ReadonlyMap<string, number> {
  const medians = new Map<string, number>()
  const all: Figures[] = []
  for (const scenario of scenarios) {
    const name = nameOf(scenario)
    const runs = Array.from({ length: seeds }, (_, i) =>
      simulate(scaled({ ...scenario, seed: i + 1 }, hosts), governor),
    )
    say(`${name}: bound`, termsOf(scaled(scenario, hosts)).bound, 's')
    say(`${name}: governor, median of ${seeds}`, median(runs.map(times)), 'x bound')
    say(`${name}: governor, worst of ${seeds}`, worst(runs.map(times)), 'x bound')
    say(`${name}: worst 5 s`, 100 * Math.min(...runs.map(({ worstWindow }) => worstWindow)), '% of capacity')
    say(`${name}: messages`, worst(runs.map(({ messagesPerHost }) => messagesPerHost)), 'a host')
    medians.set(name, median(runs.map(times)))
    all.push(...runs)
  }
  say(`all scenarios: governor, median`, median(all.map(times)), 'x bound')
  say(`all scenarios: governor, worst`, worst(all.map(times)), 'x bound')
  say(`all scenarios: governor, t99 worst`, worst(all.map(({ t99, bound }) => t99 / bound)), 'x bound')
  say('all scenarios: live leases lost', worst(all.map(({ expiries }) => expiries)), 'leases')
  say('all scenarios: most messages', worst(all.map(({ messagesPerHost }) => messagesPerHost)), 'a host')
  say('all scenarios: longest queue', worst(all.map(({ waitingMost }) => waitingMost)) / hosts, 'x fleet')
  say('all scenarios: worst 5 s', 100 * Math.min(...all.map(({ worstWindow }) => worstWindow)), '% of capacity')
  say(
    'all scenarios: time-outs',
    100 * worst(all.map((one) => one.operationTimeouts / one.operations)),
    '% of operations',
  )
  say('all scenarios: fairness over sites', Math.min(...all.map(({ fairness }) => fairness)), "Jain's index")
  return medians
}

/** One seed each: what collapses does so with any. */
function others(medians: ReadonlyMap<string, number>): void {
  for (const scenario of scenarios)
    for (const policy of policies) {
      if (policy === governor) continue
      const figures = simulate(scaled(scenario, hosts), policy)
      const value = finite(times(figures))
      const ours = medians.get(nameOf(scenario)) as number
      say(`${nameOf(scenario)}: ${policy.name}`, value, 'x bound', {
        name: 'governor',
        ratio: value === 0 ? 0 : ours / value,
      })
      if (value === 0) say(`${nameOf(scenario)}: ${policy.name}, most hosts`, 100 * figures.leasedShare, '% leased')
    }
}

function aMillion(): void {
  const million = quick ? 200_000 : 1_000_000
  for (let seed = 1; seed <= (quick ? 1 : 3); seed++) {
    const figures = simulate({ ...usual, hosts: million, seed }, governor)
    say(`${million} hosts, seed ${seed}: governor`, times(figures), 'x bound')
    say(`${million} hosts, seed ${seed}: messages`, figures.messagesPerHost, 'a host')
    say(`${million} hosts, seed ${seed}: live leases lost`, figures.expiries, 'leases')
  }
  if (quick) return
  for (const name of ['fixed pool 64', 'AIMD', 'Gradient2', 'Vegas']) {
    const policy = policies.find((one) => one.name === name) ?? naive
    const figures = simulate({ ...usual, hosts: million }, policy, { giveUpAfter: 3 })
    say(`${million} hosts: ${name}`, finite(times(figures)), 'x bound')
    say(`${million} hosts: ${name}, messages`, figures.messagesPerHost, 'a host')
  }
}

/** Memory and speed of the table alone: leases renewed in memory, on one thread, as the best of some turns. */
function table(): void {
  const size = 1_000_000
  const fleet = new Governor({
    hosts: size,
    sites: 1000,
    now: 0,
    random: () => 0.5,
    frontDoorPerSecond: 100_000,
    renewals: 'memory',
  })
  for (let host = 0; host < size; host++) fleet.offer(host, 2, host % 1000, 0)
  say('1,000,000 hosts, all waiting', fleet.bytes / 2 ** 20, 'MiB')
  let now = 0
  let granted = 0
  const began = performance.now()
  while (granted < size) {
    now += 10
    for (let host = fleet.next(now); host !== none; host = fleet.next(now)) {
      fleet.done(host, 'ok', 1, now)
      granted++
      if (granted % 1000 === 0) break
    }
    fleet.tick(now)
  }
  say('offer to grant', Math.round(size / ((performance.now() - began) / 1000)), 'grants/s')
  let best = 0
  for (let turn = 0; turn < (quick ? 3 : 10); turn++) {
    now += 20_000
    const from = performance.now()
    for (let host = 0; host < size; host++) fleet.report(host, 2, host % 1000, now)
    best = Math.max(best, size / ((performance.now() - from) / 1000))
  }
  say('renewals in memory', Math.round(best), 'renewals/s')
}

table()
const medians = governed()
others(medians)
aMillion()

/**
 * Recoveries: the governor and what services do without one, each on the same simulated fleets, as times of
 * the lower bound (100 % of the live hosts hold a lease; `t99` where it says so). Then what a host costs.
 *
 * "Never" is not within five times the bound. Simulated time does not depend on the machine; what a host
 * costs does.
 *
 *     node bench/recover.ts --part=million                    one of: table, governor, combined, others, million
 *     node bench/recover.ts --part=governor --hosts=5000      a smaller fleet
 */

import { governor, naive, policies } from '../lab/recover/policies.ts'
import type { Figures } from '../lab/recover/record.ts'
import { nameOf, scaled, termsOf, usual } from '../lab/recover/scenario.ts'
import { combinations, scenarios } from '../lab/recover/scenarios.ts'
import { simulate } from '../lab/recover/simulate.ts'
import { Governor } from '../src/recover/governor.ts'
import { none } from '../src/recover/pump.ts'

const quick = process.argv.includes('--quick')
const option = (name: string) =>
  process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(`--${name}=`.length)
const hosts = Number(option('hosts') ?? (quick ? 10_000 : 100_000))
const seeds = quick ? 2 : 20
const part = option('part')

interface Other {
  readonly name: string
  readonly ratio?: number
}

function say(metric: string, value: number, unit: string, against?: Other): void {
  const rounded = Number(value.toPrecision(4))
  const ratio = against?.ratio === undefined ? {} : { ratio: Number(against.ratio.toPrecision(3)) }
  const other = against === undefined ? {} : { against: against.name, ...ratio }
  console.log(JSON.stringify({ bench: 'recover', metric, value: rounded, unit, ...other }))
}

const times = (figures: Figures): number => figures.t100 / figures.bound
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
const median = (values: readonly number[]): number => {
  const all = sorted(values)
  return ((all[(all.length - 1) >> 1] as number) + (all[all.length >> 1] as number)) / 2
}
const worst = (values: readonly number[]): number => Math.max(...values)

function governed(): void {
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
    all.push(...runs)
  }
  say('all scenarios: governor, median', median(all.map(times)), 'x bound')
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
}

/**
 * Where the dependency goes away a second time just after the bound, whoever is a little slower waits for its
 * return: those that do are counted by themselves.
 */
function combined(): void {
  const runs = combinations.map((scenario) => ({
    name: nameOf(scenario),
    figures: simulate(scaled({ ...scenario, seed: 1 }, hosts), governor, { giveUpAfter: 5 }),
  }))
  const secondOutage = 50
  const isCaught = ({ name, figures }: (typeof runs)[number]) =>
    name.startsWith('down-up-down') && figures.bound < secondOutage && figures.t100 > secondOutage
  const caught = runs.filter(isCaught)
  const free = runs.filter((one) => !isCaught(one))
  const all = free.map(({ figures }) => times(figures))
  const of = `${free.length} of ${runs.length} combinations`
  say(`${of}: governor, median`, median(all), 'x bound')
  say(`${of}: governor, worst`, worst(all), 'x bound')
  say('caught by the second outage', caught.length, 'combinations')
  if (caught.length > 0)
    say('caught by the second outage: worst', worst(caught.map((one) => times(one.figures))), 'x bound')
  say('combinations: live leases lost', worst(runs.map(({ figures }) => figures.expiries)), 'leases')
  say('combinations: messages, median', median(runs.map(({ figures }) => figures.messagesPerHost)), 'a host')
  say('combinations: most messages', worst(runs.map(({ figures }) => figures.messagesPerHost)), 'a host')
}

/** One seed each: what collapses does so with any. */
function others(): void {
  for (const scenario of scenarios) {
    const ours = times(simulate(scaled(scenario, hosts), governor))
    for (const policy of policies.filter((one) => one !== governor))
      beside(
        `${nameOf(scenario)}: governor`,
        ours,
        policy.name,
        simulate(scaled(scenario, hosts), policy, { giveUpAfter: 5 }),
      )
  }
}

/** Without a ratio where the other never ended. */
function beside(metric: string, ours: number, name: string, figures: Figures): void {
  const theirs = times(figures)
  if (Number.isFinite(theirs))
    say(metric, ours, 'x bound', { name: `${name}: ${theirs.toPrecision(3)}`, ratio: theirs / ours })
  else
    say(metric, ours, 'x bound', {
      name: `${name}: never, ${(100 * figures.leasedShare).toPrecision(2)} % leased at most`,
    })
}

function aMillion(): void {
  const million = quick ? 200_000 : 1_000_000
  const runs = Array.from({ length: quick ? 1 : 3 }, (_, i) =>
    simulate({ ...usual, hosts: million, seed: i + 1 }, governor),
  )
  const ours = median(runs.map(times))
  say(`${million} hosts: bound`, (runs[0] as Figures).bound, 's')
  say(`${million} hosts: governor, median of ${runs.length}`, ours, 'x bound')
  say(`${million} hosts: governor, worst of ${runs.length}`, worst(runs.map(times)), 'x bound')
  say(`${million} hosts: messages`, worst(runs.map(({ messagesPerHost }) => messagesPerHost)), 'a host')
  say(`${million} hosts: live leases lost`, worst(runs.map(({ expiries }) => expiries)), 'leases')
  if (quick) return
  for (const name of ['fixed pool 64', 'AIMD', 'Gradient2', 'Vegas']) {
    const policy = policies.find((one) => one.name === name) ?? naive
    beside(
      `${million} hosts: governor`,
      ours,
      policy.name,
      simulate({ ...usual, hosts: million }, policy, { giveUpAfter: 3 }),
    )
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

const parts = { table, governor: governed, combined, others, million: aMillion }
for (const [name, run] of Object.entries(parts)) if (part === undefined || part === name) run()

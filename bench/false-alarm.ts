/**
 * A false alarm: every check of 100 healthy targets fails for a minute, while all of them serve. Beside
 * Holdfast (its weights in HAProxy, and its answers in DNS) stand HAProxy's own checks and gdnsd, on the
 * same targets, with the same interval and thresholds, in the same run. Clients send a constant load
 * through both HAProxies. Before that one target really dies: after an alarm removals stand still for a
 * while, by design.
 *
 *     node bench/false-alarm.ts --svg docs/false-alarm.svg     draws the capacity over time, too
 */
import { writeFileSync } from 'node:fs'
import { drawChart } from '../lab/chart.ts'
import { type Counts, fall, intervalMs, Rig, since, sum } from './rig.ts'

const quick = process.argv.includes('--quick')
const svg = process.argv.indexOf('--svg')
const alarmMs = quick ? 15_000 : 60_000
const targets = quick ? 20 : 100

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(JSON.stringify({ bench: 'false-alarm', metric, value, unit, ...(against && { against, ratio }) }))
const tenths = (value: number) => Math.round(value * 10) / 10

const rig = new Rig({ backends: targets, withGdnsd: true })
const { backends, samples } = rig
try {
  await rig.start(100)
  await oneDies()
  await rig.until('the dead one to be back', rig.isWhole, 180_000)
  await falseAlarm()
} finally {
  await rig.stop()
}

async function oneDies(): Promise<void> {
  const victim = backends.addresses[7] as string
  const before = rig.counts()
  const diedAt = performance.now()
  backends.kill(victim)
  const out = { ours: Number.NaN, own: Number.NaN, ourDns: Number.NaN, gdnsd: Number.NaN }
  await rig.until(
    'the dead one to be out',
    ({ at, ours, own, ourDns, gdnsd }) => {
      const seconds = (at - diedAt) / 1000
      if (Number.isNaN(out.ours) && ours.get(victim) === 0) out.ours = seconds
      if (Number.isNaN(out.own) && own.get(victim) === 0) out.own = seconds
      if (Number.isNaN(out.ourDns) && !ourDns.includes(victim)) out.ourDns = seconds
      if (Number.isNaN(out.gdnsd) && !gdnsd.includes(victim)) out.gdnsd = seconds
      return Object.values(out).every((found) => !Number.isNaN(found))
    },
    60_000,
  )
  const after = rig.counts()
  print(`one of ${targets} dies: out of HAProxy after`, tenths(out.ours), 's', 'haproxy', out.own / out.ours)
  print(`one of ${targets} dies: out of DNS after`, tenths(out.ourDns), 's', 'gdnsd', out.gdnsd / out.ourDns)
  print('beyond fall x interval', tenths(Math.max(out.ours, out.ourDns) - (fall * intervalMs) / 1000), 's')
  print('requests that failed until then', since(before[0], after[0]).errors, 'requests')
  print('the same, HAProxy checking by itself', since(before[1], after[1]).errors, 'requests')
  await backends.revive(victim)
}

async function falseAlarm(): Promise<void> {
  samples.length = 0
  const before = rig.counts()
  await rig.watch(5_000)
  backends.become('false alarm', ...backends.addresses)
  const falseAt = performance.now()
  await rig.watch(alarmMs)
  backends.become('well', ...backends.addresses)
  const mendedAt = performance.now()
  const restored = { ours: Number.NaN, own: Number.NaN, ourDns: Number.NaN, gdnsd: Number.NaN }
  await rig.until(
    'everything to be back',
    (sample) => {
      const seconds = (sample.at - mendedAt) / 1000
      if (Number.isNaN(restored.ours) && sum(sample.ours) === targets) restored.ours = seconds
      if (Number.isNaN(restored.own) && sum(sample.own) === targets) restored.own = seconds
      if (Number.isNaN(restored.ourDns) && sample.ourDns.length === targets) restored.ourDns = seconds
      if (Number.isNaN(restored.gdnsd) && sample.gdnsd.length === rig.ofGdnsd) restored.gdnsd = seconds
      return rig.isWhole(sample) && seconds > 20
    },
    180_000,
  )
  const after = rig.counts()
  const [ours, own] = [since(before[0], after[0]), since(before[1], after[1])]
  const most = (value: (sample: (typeof samples)[number]) => number) =>
    tenths(100 * (1 - Math.min(...samples.map(value))))
  print(
    'all checks fail, all targets serve: capacity taken out of HAProxy',
    most((at) => sum(at.ours) / targets),
    '%',
  )
  print(
    'the same, HAProxy checking by itself',
    most((at) => sum(at.own) / targets),
    '%',
  )
  print(
    'capacity taken out of DNS',
    most((at) => at.ourDns.length / targets),
    '%',
  )
  print(
    'the same, gdnsd',
    most((at) => at.gdnsd.length / rig.ofGdnsd),
    '%',
  )
  print('requests that failed', ours.errors, 'requests')
  print('requests that failed, HAProxy checking by itself', own.errors, 'requests')
  print('share of them', tenths((100 * own.errors) / own.sent), '%')
  print('requests sent through each', ours.sent, 'requests')
  // What never left is back at once.
  const back = (what: string, seconds: number) => print(`from the end of the alarm to ${what}`, tenths(seconds), 's')
  back('the weights of before', restored.ours)
  back('the weights of before, HAProxy checking by itself', restored.own)
  back('the answer of before', restored.ourDns)
  back('the answer of before, gdnsd', restored.gdnsd)
  if (svg > 0) writeFileSync(process.argv[svg + 1] as string, chart(falseAt, mendedAt, ours, own))
}

function chart(falseAt: number, mendedAt: number, ours: Counts, own: Counts): string {
  const from = samples[0]?.at ?? 0
  const seconds = (at: number) => (at - from) / 1000
  const line = (value: (sample: (typeof samples)[number]) => number) =>
    samples.map((sample) => [seconds(sample.at), 100 * value(sample)] as const)
  return drawChart({
    title: `All checks of ${targets} healthy targets fail for ${alarmMs / 1000} s: what goes on carrying traffic`,
    description:
      'Capacity over time. With Holdfast it stays whole in HAProxy and in DNS. HAProxy checking by itself takes everything out within seconds, and it comes back slowly afterwards.',
    unit: '% of the capacity',
    seconds: Math.ceil(seconds(samples.at(-1)?.at ?? from)),
    greatest: 110,
    series: [
      {
        label: 'HAProxy, its own checks',
        look: 'strong',
        tone: 'bad',
        points: line(({ own: its }) => sum(its) / targets),
        filled: true,
      },
      {
        label: 'HAProxy with weights from Holdfast',
        look: 'strong',
        tone: 'good',
        points: line((at) => sum(at.ours) / targets),
      },
      { label: 'DNS, Holdfast', look: 'dashed', tone: 'hero', points: line(({ ourDns }) => ourDns.length / targets) },
      { label: 'DNS, gdnsd', look: 'dashed', tone: 'soft', points: line(({ gdnsd }) => gdnsd.length / rig.ofGdnsd) },
    ],
    moments: [
      { at: seconds(falseAt), text: 'every check fails from now on; every target serves as before' },
      {
        at: seconds(mendedAt),
        text: `checks pass again; of the requests of all this time HAProxy by itself failed ${own.errors.toLocaleString('en')}, with weights from Holdfast ${ours.errors.toLocaleString('en')}`,
      },
    ],
  })
}

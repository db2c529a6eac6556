/**
 * One backend of twelve misbehaves, in each way that backends do: what clients notice who send a constant
 * load through HAProxy, with weights from Holdfast and, beside it in the same run, with HAProxy's own checks.
 *
 *     node bench/backends.ts --svg docs/backends.svg     draws errors and capacity over time, too
 */
import { writeFileSync } from 'node:fs'
import { drawChart, type Moment } from '../lab/chart.ts'
import { type Behaviour, Rig, since, sum } from './rig.ts'

const quick = process.argv.includes('--quick')
const svg = process.argv.indexOf('--svg')
const count = 12
const faultMs = quick ? 12_000 : 30_000
const kinds: readonly Behaviour[] = quick
  ? ['hanging', 'lying']
  : ['resetting', 'hanging', 'slow', 'flapping', 'false alarm', 'lying']

const print = (metric: string, value: number, unit: string) =>
  console.log(JSON.stringify({ bench: 'backends', metric, value, unit }))
const tenths = (value: number) => Math.round(value * 10) / 10

// One target a quarter of a minute may leave, so that each fault finds a budget.
const rig = new Rig({ backends: count, withGdnsd: false, pool: '    ramp: 10s\n    limits: { window: 15s }' })
const { backends, samples } = rig
const moments: { at: number; text: string }[] = []
try {
  await rig.start(100)
  samples.length = 0
  await rig.watch(3_000)
  for (const [index, kind] of kinds.entries()) await suffer(kind, backends.addresses[index + 1] as string)
  if (svg > 0) writeFileSync(process.argv[svg + 1] as string, chart())
} finally {
  await rig.stop()
}

async function suffer(kind: Behaviour, address: string): Promise<void> {
  const before = rig.counts()
  const began = performance.now()
  const first = samples.length
  backends.become(kind, address)
  await rig.watch(faultMs)
  const during = samples.slice(first)
  const out = (is: (sample: (typeof samples)[number]) => boolean) => {
    const found = during.find(is)
    return found === undefined ? null : tenths((found.at - began) / 1000)
  }
  backends.become('well', address)
  // Requests that hang are counted as failed only when they are given up.
  await rig.watch(6_000)
  const after = rig.counts()
  const [ours, own] = [since(before[0], after[0]), since(before[1], after[1])]
  for (const [who, counts] of [
    ['', ours],
    [', HAProxy checking by itself', own],
  ] as const) {
    print(`one of ${count} ${what(kind)}: requests that failed${who}`, counts.errors, 'requests')
    print(`one of ${count} ${what(kind)}: requests answered later than after 1 s${who}`, counts.late, 'requests')
  }
  const ourOut = out((sample) => sample.ours.get(address) === 0)
  const ownOut = out((sample) => sample.own.get(address) === 0)
  if (ourOut !== null) print(`one of ${count} ${what(kind)}: out after`, ourOut, 's')
  if (ownOut !== null) print(`one of ${count} ${what(kind)}: out after, HAProxy checking by itself`, ownOut, 's')
  moments.push({
    at: began,
    text: `one ${what(kind)}: failed with Holdfast ${ours.errors}, with HAProxy's own checks ${own.errors} of ${own.sent}`,
  })
  await rig.until('it to be back', rig.isWhole, 240_000)
}

function what(kind: Behaviour): string {
  return kind === 'false alarm' ? 'fails its checks alone' : `is ${kind}`
}

function chart(): string {
  const from = samples[0]?.at ?? 0
  const seconds = (at: number) => (at - from) / 1000
  const line = (value: (sample: (typeof samples)[number]) => number) =>
    samples.map((sample) => [seconds(sample.at), (100 * value(sample)) / count] as const)
  return drawChart({
    title: `One backend of ${count} misbehaves, in one way after the other: capacity in HAProxy`,
    description: 'Capacity over time, with weights from Holdfast and with HAProxy checking by itself.',
    unit: '% of the capacity',
    seconds: Math.ceil(seconds(samples.at(-1)?.at ?? from)),
    greatest: 110,
    series: [
      { label: 'HAProxy, its own checks', look: 'strong', tone: 'bad', points: line(({ own }) => sum(own)) },
      {
        label: 'HAProxy with weights from Holdfast',
        look: 'strong',
        tone: 'good',
        points: line(({ ours }) => sum(ours)),
      },
    ],
    moments: moments.map(({ at, text }): Moment => ({ at: seconds(at), text })),
  })
}

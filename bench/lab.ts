/**
 * The laboratory: how fast the simulator runs the production programs, and whether a seed is a history.
 *
 * Speed is that of a region of five processes (a planner, three enactors, a prober) in which nothing is
 * broken, on one core, as the best of some turns: what else the machine does only makes it slower. Once with
 * a fake for an authority, and once with the built-in server and a resolver that asks it, where each message
 * is encoded, signed, sent, verified, decoded and answered.
 */
import { runStory } from '../lab/run.ts'
import { drawStory, type Story } from '../lab/story.ts'

const quick = process.argv.includes('--quick')
const [turns, minutes, seeds, repetitions] = quick ? [3, 20, 10, 3] : [8, 60, 100, 10]

const calm: Story = {
  seed: 1,
  troubleMs: minutes * 60_000,
  calmMs: 30_000,
  happenings: [],
  shape: {
    planners: 1,
    enactors: 3,
    probers: 1,
    pools: [3],
    endpointsPerPool: 2,
    aliases: 1,
    fixed: 1,
    zones: 1,
    keepPlans: 3,
    coalesceMs: 200,
    rampMs: 4_000,
    comparesTtl: false,
    foreign: false,
  },
}

function say(metric: string, value: number, unit: string): void {
  console.log(JSON.stringify({ bench: 'lab', metric, value, unit }))
}

async function speed(label: string, story: Story, turns: number): Promise<void> {
  let eventsPerSecond = 0
  let timesRealTime = 0
  for (let turn = 0; turn < turns; turn++) {
    const began = performance.now()
    const { events, simulatedMs, violation } = await runStory(story)
    if (violation !== null) throw new Error(`expected a calm region to violate nothing, found ${violation.text}`)
    const elapsed = performance.now() - began
    eventsPerSecond = Math.max(eventsPerSecond, (events / elapsed) * 1000)
    timesRealTime = Math.max(timesRealTime, simulatedMs / elapsed)
  }
  say(label, Math.round(eventsPerSecond), 'events/s')
  say(label, Math.round(timesRealTime), 'x real time')
}

async function stories(): Promise<void> {
  const began = performance.now()
  let events = 0
  let simulated = 0
  let runs = 0
  let others = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const hashes = new Set<string>()
    for (let turn = 0; turn < repetitions; turn++) {
      const outcome = await runStory(drawStory(seed))
      hashes.add(outcome.hash)
      events += outcome.events
      simulated += outcome.simulatedMs
      runs += 1
    }
    others += hashes.size - 1
  }
  const elapsed = performance.now() - began
  say('stories of faults', Math.round((events / elapsed) * 1000), 'events/s')
  say('stories of faults', Math.round(simulated / elapsed), 'x real time')
  say(`runs of ${seeds} seeds`, runs, 'runs')
  say('runs with another history than the first of their seed', others, 'runs')
}

await speed('five processes, calm', calm, turns)
const served: Story = { ...calm, troubleMs: calm.troubleMs / 4, shape: { ...calm.shape, authorities: ['server'] } }
await speed('five processes, calm, with the built-in server', served, Math.ceil(turns / 2))
await stories()

/** A worker thread of the soak: runs one seed after the other and says what came of each. */
import { parentPort, workerData } from 'node:worker_threads'
import { runStory } from './run.ts'
import type { SeedReport, Share } from './soak.ts'
import { drawStory } from './story.ts'

if (parentPort === null) throw new Error('expected to be a worker thread; run holdfast lab soak')
const port = parentPort
const { from, step, count } = workerData as Share
let stopped = false
port.on('message', () => {
  stopped = true
})

for (let index = 0; index < count && !stopped; index++) {
  const seed = from + index * step
  const { violation, events, simulatedMs, reached, happened } = await runStory(drawStory(seed))
  const report: SeedReport = { seed, violation, events, simulatedMs, reached: [...reached], happened: [...happened] }
  port.postMessage(report)
}
port.close()

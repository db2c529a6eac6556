import { expect, test } from 'vitest'
import { allFaults, race } from './support/race.ts'

test('smoke', async () => {
  for (let seed = 1; seed <= Number(process.env.SEEDS ?? 20); seed++) {
    const t = performance.now()
    const { events, ...result } = await race({ seed, faults: allFaults })
    const counts: Record<string, number> = {}
    for (const e of events) counts[e] = (counts[e] ?? 0) + 1
    if (seed < 4 || result.violations.length > 0 || !result.converged)
      console.log(seed, (performance.now() - t).toFixed(0), JSON.stringify(result), JSON.stringify(counts))
  }
}, 600000)

import type { WriteOutcome } from '../../src/providers/provider.ts'
import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

/** What was read at the start decides; the write itself goes through whatever stands there by then. As in October 2025. */
export const fenceAtTheStart: Bug = {
  name: 'fence-at-the-start',
  what: 'the fence is asked once, and a write that conflicts is sent again on what stands there now',
  violates: 'S1',
  plant(region) {
    substitute(region, {
      provider: (provider) => ({
        ...provider,
        async write(zone, changes) {
          let outcomes = await provider.write(zone, changes)
          for (let tries = 0; tries < 3 && outcomes.some(({ kind }) => kind === 'conflict'); tries++) {
            const readings = await provider.read(
              zone,
              changes.map(({ name }) => name),
            )
            const again = changes.map((change, index) => {
              const reading = readings[index]
              return reading?.kind === 'published' ? { ...change, expected: reading.published } : change
            })
            const later = await provider.write(zone, again)
            outcomes = outcomes.map((outcome, index) =>
              outcome.kind === 'conflict' ? (later[index] as WriteOutcome) : outcome,
            )
          }
          return outcomes
        },
      }),
    })
  },
}

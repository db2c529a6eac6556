/**
 * Draws the pictures of docs/recovery.md:
 *
 *     node lab/recover/draw.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { capacities } from './capacity.ts'
import { drawRecoveries, type Picture } from './picture.ts'
import { governor, policies } from './policies.ts'
import { type Scenario, termsOf, usual } from './scenario.ts'
import { simulate } from './simulate.ts'

const shown = [
  'governor',
  'naive FIFO',
  'oracle FIFO',
  'token bucket 0.8',
  'fixed pool 500',
  'AIMD',
  'Gradient2',
  'LIFO + CoDel',
]

export const pictures = [
  { file: 'recovery-steady.svg', scenario: usual, title: 'A hundred thousand hosts come back', seconds: 150 },
  {
    file: 'recovery-half.svg',
    scenario: { ...usual, capacity: 'half' },
    title: 'The same, with half of the database',
    seconds: 240,
  },
  {
    file: 'recovery-flap.svg',
    scenario: { ...usual, capacity: 'flap' },
    title: 'The same, with a database that comes and goes',
    seconds: 240,
  },
] as const satisfies readonly { file: string; scenario: Scenario; title: string; seconds: number }[]

export function picture(of: (typeof pictures)[number]): Picture {
  const { scenario, title, seconds } = of
  const { bound, ttlSeconds } = termsOf(scenario)
  const told = capacities[scenario.capacity].told
  return {
    title,
    subtitle: `capacity: ${told}; no policy can be done before ${Math.round(bound)} s; leases last ${Math.round(ttlSeconds)} s`,
    seconds,
    panels: shown.map((name) => {
      const policy = policies.find((one) => one.name === name) ?? governor
      const isOurs = policy === governor
      const figures = simulate(scenario, policy, { giveUpAfter: Math.max(10, seconds / bound), afterwards: 1 })
      return { name, note: policy.told, isOurs, figures }
    }),
  }
}

if (import.meta.main)
  for (const one of pictures)
    writeFileSync(join(import.meta.dirname, '..', '..', 'docs', one.file), drawRecoveries(picture(one)))

/** The recoveries that everybody is measured on: each difficulty by itself. */
import { type CapacityName, capacities } from './capacity.ts'
import type { Knee } from './database.ts'
import { type Clients, type Scenario, usual } from './scenario.ts'

const capacityNames = Object.keys(capacities) as CapacityName[]
const knees: readonly Knee[] = [8, 400, 'flat']
const clients: readonly Clients[] = ['synchronised', 'dead', 'impatient', 'skewed']

export const scenarios: readonly Scenario[] = [
  ...capacityNames.map((capacity): Scenario => ({ ...usual, capacity })),
  ...knees.map((knee): Scenario => ({ ...usual, knee })),
  ...clients.map((one): Scenario => ({ ...usual, clients: one })),
]

/** Every difficulty together with every other. */
export const combinations: readonly Scenario[] = capacityNames.flatMap((capacity) =>
  [64 as const, ...knees].flatMap((knee) =>
    (['uniform', ...clients] as const).map((one): Scenario => ({ ...usual, capacity, knee, clients: one })),
  ),
)

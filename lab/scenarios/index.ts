/** Every scenario of this folder, in the order in which they are listed. */
import type { Scenario } from '../scenario.ts'
import { scenarioFiles, scenarioOf } from './files.ts'
import { flapping } from './flapping/flapping.ts'
import { october2025 } from './october-2025/october-2025.ts'

export const told: readonly Scenario[] = [october2025, flapping, ...scenarioFiles().map(scenarioOf)]

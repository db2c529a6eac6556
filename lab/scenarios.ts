/** Every scenario that `holdfast lab replay` knows by name. A new one is imported here and added to the list. */
import type { Scenario } from './scenario.ts'
import { told } from './scenarios/index.ts'

export const scenarios: readonly Scenario[] = [...told]

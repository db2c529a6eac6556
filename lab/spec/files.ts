/** The specifications, and where their Promela text is kept. */
import { join } from 'node:path'
import { classic } from './classic.ts'
import { holdfast } from './holdfast.ts'
import type { Spec } from './spec.ts'

export const specs: readonly Spec[] = [holdfast, classic]

export const promelaFile = ({ name }: Spec): string => join(import.meta.dirname, `${name}.pml`)

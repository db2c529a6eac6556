import type { Brand } from '../base/brand.ts'

/**
 * A plan's number: a total order, from 1. Numbers only rise; they need not be dense, since a planner
 * that learns of a higher number published somewhere goes on above it.
 */
export type Generation = Brand<number, 'Generation'>

/** Before any plan. */
export const genesis = 0 as Generation

/** A number above this in a marker is damage, not a generation: it must leave room to go on above it. */
export const greatestGeneration = 2 ** 48

export function toGeneration(value: number): Generation | undefined {
  return Number.isSafeInteger(value) && value >= 0 && value <= greatestGeneration ? (value as Generation) : undefined
}

export function after(...generations: readonly Generation[]): Generation {
  return (Math.max(...generations) + 1) as Generation
}

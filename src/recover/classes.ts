/**
 * The classes of work, by whom they may keep waiting. 0 and 1 are strict: whatever has a deadline that
 * other leases hang on goes first, the earliest deadline before the others. The rest share what is left.
 */

export const fencing = 0
export const renewal = 1
export const running = 2
export const idle = 3
export const interactive = 4
export const background = 5

export type Class = 0 | 1 | 2 | 3 | 4 | 5

export interface ClassRule {
  readonly name: string
  /** Operations in a row that a class may start when others wait too; 0 for the strict ones. */
  readonly quantum: number
}

/** Of 20 operations, when all wait: 12, 5, 2 and 1, that is 60, 25, 10 and 5 %. */
export const classRules: readonly ClassRule[] = [
  { name: 'fencing', quantum: 0 },
  { name: 'renewal', quantum: 0 },
  { name: 'running', quantum: 12 },
  { name: 'idle', quantum: 5 },
  { name: 'interactive', quantum: 2 },
  { name: 'background', quantum: 1 },
]

export const classCount = classRules.length

export const isStrict = (klass: Class): boolean => klass <= renewal

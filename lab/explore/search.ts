/**
 * Depth first over every choice, without saving any program's memory: a branch is reached again by
 * taking the same choices from the start. States seen before are not entered again.
 */
import type { Violation } from '../checks/check.ts'
import type { Choice, Machine } from './machine.ts'

/** A fresh instance of the world under exploration. */
export interface Instance {
  readonly machine: Machine
  /** What a check found at the latest step, or null. */
  violation(): Violation | null
  /** Whether everything is as it should be, when nothing can happen any more; null if so. */
  atRest(): Violation | null
}

export interface Limits {
  readonly states: number
  readonly ms: number
}

export interface Explored {
  readonly kind: 'all' | 'violated' | 'stopped'
  readonly violation: Violation | null
  /** The choices that lead to the violation, told. */
  readonly story: readonly string[]
  readonly states: number
  readonly transitions: number
  readonly ends: number
  readonly depth: number
  readonly ms: number
  /** Why it stopped before all was seen. */
  readonly why: string
}

interface Frame {
  readonly choices: readonly Choice[]
  next: number
}

export async function search(
  create: () => Instance,
  limits: Limits,
  progress?: (states: number, transitions: number) => void,
): Promise<Explored> {
  const started = performance.now()
  const seen = new Set<string>()
  const frames: Frame[] = []
  const path: Choice[] = []
  let transitions = 0
  let ends = 0
  let depth = 0
  let instance = create()
  await instance.machine.start()
  let stands = true

  const result = (kind: Explored['kind'], violation: Violation | null, why = ''): Explored => ({
    kind,
    violation,
    why,
    story: violation === null ? [] : path.map((choice) => tell(instance.machine, choice)),
    states: seen.size,
    transitions,
    ends,
    depth,
    ms: performance.now() - started,
  })

  for (;;) {
    if (stands) {
      const key = instance.machine.key()
      if (!seen.has(key)) {
        seen.add(key)
        if (seen.size % 1000 === 0) {
          progress?.(seen.size, transitions)
          if (performance.now() - started > limits.ms) return result('stopped', null, `${limits.ms} ms are over`)
          if (seen.size >= limits.states) return result('stopped', null, `${limits.states} states are the limit`)
        }
        const choices = instance.machine.choices()
        if (choices.length === 0) {
          ends += 1
          const violation = instance.atRest()
          if (violation !== null) return result('violated', violation)
        }
        frames.push({ choices, next: 0 })
        depth = Math.max(depth, frames.length)
      } else frames.push({ choices: [], next: 0 })
    }
    let frame = frames.at(-1)
    while (frame !== undefined && frame.next >= frame.choices.length) {
      frames.pop()
      path.pop()
      stands = false
      frame = frames.at(-1)
    }
    if (frame === undefined) return result('all', null)
    if (!stands) {
      instance = create()
      await instance.machine.start()
      for (const choice of path) await instance.machine.apply(choice)
    }
    const choice = frame.choices[frame.next++] as Choice
    path.push(choice)
    await instance.machine.apply(choice)
    transitions += 1
    stands = true
    const violation = instance.violation()
    if (violation !== null) return result('violated', violation)
  }
}

function tell(machine: Machine, choice: Choice): string {
  if (choice.kind === 'time') return 'time passes'
  const id = machine.idOf(choice.program)
  return choice.kind === 'step' ? `${id} ${choice.label}` : `${id} ${choice.kind}s`
}

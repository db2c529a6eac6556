/** What a specification is: variables, and processes that are tables of guarded actions. */

/** `-D` flags of the Promela text under which an action is another one: a mechanism taken away. */
export type Instead = Readonly<Record<string, Partial<Pick<Action, 'guard' | 'effect'>>>>

export interface Action {
  readonly name: string
  /** In a few words, for whoever reads the Promela text or a trace that was rejected. */
  readonly what: string
  /** What it is chosen with: a domain, or the one number that Spin tries. */
  readonly params?: Readonly<Record<string, string | number>>
  /** All of these hold, or it may not be done. */
  readonly guard: readonly string[]
  /**
   * Spin leaves it out unless these hold too: steps that lead nowhere new, and what a bounded world has no
   * room for. What real programs do beyond them is allowed.
   */
  readonly spin?: readonly string[]
  readonly effect: readonly string[]
  readonly instead?: Instead
}

export interface Variable {
  readonly type: 'byte' | 'bool'
  /** Domains of its indices. */
  readonly of?: readonly string[]
  /** A number or a name; 0 if not given. */
  readonly start?: number | string
  readonly what?: string
}

export interface SpecProcess {
  readonly name: string
  readonly what: string
  /** How many there are: a size. */
  readonly count: string | 1
  /** `-D` flag without which Spin's world has none. */
  readonly only?: string
  /** Only it sees these. */
  readonly own: Readonly<Record<string, Variable>>
  readonly actions: readonly Action[]
}

/** From 0 or 1 up; `most` is the size that the Promela text has room for. */
export interface Domain {
  readonly from: 0 | 1
  readonly count: string
  readonly most: number
}

export interface Given {
  readonly params: readonly string[]
  readonly promela: string
  /** By `-D` flag. */
  readonly instead?: Readonly<Record<string, string>>
}

export interface Spec {
  readonly name: string
  readonly about: readonly string[]
  /** `-D` numbers with what they are if nobody says. */
  readonly sizes: Readonly<Record<string, number>>
  readonly constants: Readonly<Record<string, number>>
  readonly domains: Readonly<Record<string, Domain>>
  /** Functions of their arguments that the world gives: in Promela as written here. */
  readonly given: Readonly<Record<string, Given>>
  readonly shared: Readonly<Record<string, Variable>>
  readonly processes: readonly SpecProcess[]
  /** When nothing more can happen. */
  readonly atRest: readonly string[]
}

export function processOf(spec: Spec, name: string): SpecProcess {
  const found = spec.processes.find((process) => process.name === name)
  if (found === undefined) throw new Error(`expected a process of ${spec.name}, found ${name}`)
  return found
}

/** The same with one action changed: a mechanism taken away, or a rule that real programs do not keep. */
export function changed(spec: Spec, process: string, action: string, change: Partial<Action>): Spec {
  const known = processOf(spec, process)
  if (known.actions.every(({ name }) => name !== action))
    throw new Error(`expected an action of ${process}, found ${action}`)
  const actions = known.actions.map((one) => (one.name === action ? { ...one, ...change } : one))
  return { ...spec, processes: spec.processes.map((one) => (one === known ? { ...one, actions } : one)) }
}

/** A specification that runs: what is so now, whether a step may be done, and what is so after it. */
import { type Expression, parseCondition, parseStatement, type Statement } from './language.ts'
import type { Spec, SpecProcess } from './spec.ts'

/** An endpoint may be a name, and an enactor an id: indices are never reckoned with unless they are numbers. */
export type Value = number | string
export type Choice = Readonly<Record<string, Value>>

export interface Given {
  /** The numbers of the specification, as they are in this world. */
  readonly constants: Readonly<Record<string, number>>
  readonly functions: Readonly<Record<string, (...args: readonly Value[]) => number>>
  readonly domains: Readonly<Record<string, () => Iterable<Value>>>
}

export interface Step {
  readonly process: string
  readonly me: string
  readonly action: string
  readonly choice: Choice
}

type Evaluated = (env: Env) => Value
type Done = (env: Env) => void

interface Env {
  readonly me: string
  readonly names: Record<string, Value>
  /** What was so at the instant of the step, where that is not what is so now. */
  readonly then: ReadonlyMap<string, number> | null
}

interface Compiled {
  readonly guard: readonly { readonly text: string; readonly holds: Evaluated }[]
  readonly effect: readonly Done[]
}

export const cell = (name: string, ...indices: readonly Value[]): string => [name, ...indices].join(' ')

export class Model {
  readonly #spec: Spec
  readonly #given: Given
  readonly #compiled: Map<string, Compiled>
  #cells: Map<string, number>

  constructor(spec: Spec, given: Given) {
    this.#spec = spec
    this.#given = given
    this.#cells = new Map()
    this.#compiled = new Map()
    for (const process of spec.processes)
      for (const action of process.actions)
        this.#compiled.set(`${process.name} ${action.name}`, {
          guard: action.guard.map((text) => ({ text, holds: this.#condition(text, process) })),
          effect: action.effect.map((text) => this.#statement(parseStatement(text), process)),
        })
  }

  /** Everything that is not as it was at the start. */
  save(): ReadonlyMap<string, number> {
    return new Map(this.#cells)
  }

  restore(cells: ReadonlyMap<string, number>): void {
    this.#cells = new Map(cells)
  }

  get(name: string, ...indices: readonly Value[]): number {
    return this.#cells.get(cell(name, ...indices)) ?? this.#start(this.#spec.shared[name]?.start)
  }

  set(value: number, name: string, ...indices: readonly Value[]): void {
    this.#cells.set(cell(name, ...indices), value)
  }

  /** A variable of its own, as this process has it. */
  own(process: string, me: string, name: string, ...indices: readonly Value[]): number {
    const start = this.#spec.processes.find((one) => one.name === process)?.own[name]?.start
    return this.#cells.get(cell(`${me}.${name}`, ...indices)) ?? this.#start(start)
  }

  setOwn(value: number, me: string, name: string, ...indices: readonly Value[]): void {
    this.#cells.set(cell(`${me}.${name}`, ...indices), value)
  }

  /** The first condition that does not hold, or null. */
  refuses({ process, me, action, choice }: Step, then: ReadonlyMap<string, number> | null = null): string | null {
    const env = { me, names: { ...choice, me }, then }
    const broken = this.#of(process, action).guard.find(({ holds }) => Number(holds(env)) === 0)
    return broken === undefined ? null : broken.text
  }

  apply({ process, me, action, choice }: Step, then: ReadonlyMap<string, number> | null = null): void {
    const env = { me, names: { ...choice, me }, then }
    for (const done of this.#of(process, action).effect) done(env)
  }

  /** Does it if it may be done; otherwise says which condition does not hold. */
  step(step: Step, then: ReadonlyMap<string, number> | null = null): string | null {
    const refused = this.refuses(step, then)
    if (refused === null) this.apply(step, then)
    return refused
  }

  #of(process: string, action: string): Compiled {
    const found = this.#compiled.get(`${process} ${action}`)
    if (found === undefined) throw new Error(`expected an action of ${this.#spec.name}, found ${process} ${action}`)
    return found
  }

  #start(start: number | string | undefined): number {
    if (start === undefined) return 0
    return typeof start === 'number' ? start : (this.#given.constants[start] ?? 0)
  }

  #domain(name: string): Iterable<Value> {
    const found = this.#given.domains[name]
    if (found === undefined) throw new Error(`expected a domain of this world, found ${name}`)
    return found()
  }

  #condition(text: string, process: SpecProcess): Evaluated {
    const { over, expression } = parseCondition(text)
    const holds = this.#expression(expression, process)
    if (over === null) return holds
    const { kind, name, domain } = over
    return (env) => {
      for (const value of this.#domain(domain)) {
        const isSo = Number(holds({ ...env, names: { ...env.names, [name]: value } })) !== 0
        if (isSo !== (kind === 'every')) return Number(isSo)
      }
      return Number(kind === 'every')
    }
  }

  #expression(of: Expression, process: SpecProcess): Evaluated {
    switch (of.kind) {
      case 'number':
        return () => of.value
      case 'name': {
        const constant = this.#given.constants[of.name]
        if (constant !== undefined) return () => constant
        if (of.name in process.own || of.name in this.#spec.shared) return this.#variable(of.name, [], process)
        return (env) => env.names[of.name] ?? missing(of.name)
      }
      case 'index':
        return this.#variable(
          of.name,
          of.args.map((arg) => this.#expression(arg, process)),
          process,
        )
      case 'call': {
        const called = this.#given.functions[of.name]
        if (called === undefined) return () => missing(of.name)
        const args = of.args.map((arg) => this.#expression(arg, process))
        return (env) => called(...args.map((arg) => arg(env)))
      }
      case 'not': {
        const inner = this.#expression(of.of, process)
        return (env) => Number(Number(inner(env)) === 0)
      }
      case 'binary':
        return binary(of.operator, this.#expression(of.left, process), this.#expression(of.right, process))
    }
  }

  #variable(name: string, indices: readonly Evaluated[], process: SpecProcess): Evaluated {
    const variable = process.own[name] ?? this.#spec.shared[name]
    if (variable === undefined) throw new Error(`expected a variable of ${process.name}, found ${name}`)
    const start = this.#start(variable.start)
    const place = this.#place(name, indices, process)
    return (env) => {
      const at = place(env)
      return env.then?.get(at) ?? this.#cells.get(at) ?? start
    }
  }

  #place(name: string, indices: readonly Evaluated[], process: SpecProcess): (env: Env) => string {
    const isOwn = name in process.own
    return (env) => {
      let at = isOwn ? `${env.me}.${name}` : name
      for (const index of indices) at += ` ${index(env)}`
      return at
    }
  }

  #statement(of: Statement, process: SpecProcess): Done {
    switch (of.kind) {
      case 'assign': {
        const to = of.to.kind === 'index' || of.to.kind === 'name' ? of.to : missing('a variable')
        const indices = to.kind === 'index' ? to.args.map((arg) => this.#expression(arg, process)) : []
        const place = this.#place(to.name, indices, process)
        const value = this.#expression(of.value, process)
        return (env) => void this.#cells.set(place(env), Number(value(env)))
      }
      case 'if': {
        const condition = this.#expression(of.condition, process)
        const then = of.yes.map((one) => this.#statement(one, process))
        const otherwise = of.no.map((one) => this.#statement(one, process))
        return (env) => {
          for (const done of Number(condition(env)) === 0 ? otherwise : then) done(env)
        }
      }
      case 'for': {
        const body = of.body.map((one) => this.#statement(one, process))
        return (env) => {
          for (const value of this.#domain(of.domain)) {
            const inside = { ...env, names: { ...env.names, [of.name]: value } }
            for (const done of body) done(inside)
          }
        }
      }
      // Spin's business: what has to be true of real runs is in lab/checks.
      case 'assert':
        return () => {}
      case 'restart':
        return ({ me }) => {
          for (const at of [...this.#cells.keys()]) if (at.startsWith(`${me}.`)) this.#cells.delete(at)
        }
    }
  }
}

function missing(name: string): never {
  throw new Error(`expected a name of this world, found ${name}`)
}

function binary(operator: string, left: Evaluated, right: Evaluated): Evaluated {
  switch (operator) {
    case '||':
      return (env) => Number(Number(left(env)) !== 0 || Number(right(env)) !== 0)
    case '&&':
      return (env) => Number(Number(left(env)) !== 0 && Number(right(env)) !== 0)
    case '==':
      return (env) => Number(left(env) === right(env))
    case '!=':
      return (env) => Number(left(env) !== right(env))
    case '<':
      return (env) => Number(left(env) < right(env))
    case '<=':
      return (env) => Number(left(env) <= right(env))
    case '>':
      return (env) => Number(left(env) > right(env))
    case '>=':
      return (env) => Number(left(env) >= right(env))
    case '+':
      return (env) => Number(left(env)) + Number(right(env))
    case '-':
      return (env) => Number(left(env)) - Number(right(env))
    default:
      return (env) => Number(left(env)) * Number(right(env))
  }
}

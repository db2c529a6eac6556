/** A specification as Promela text: an option of a `do` for every action, printed as a macro that is named like it. */
import { type Condition, type Expression, parseCondition, parseStatement, type Statement } from './language.ts'
import type { Action, Domain, Spec, SpecProcess, Variable } from './spec.ts'

const rank: Readonly<Record<string, number>> = { '||': 0, '&&': 1, '==': 2, '!=': 2, '+': 4, '-': 4, '*': 5 }
const rankOf = (operator: string): number => rank[operator] ?? 3

export function promelaOf(spec: Spec): string {
  return new Printer(spec).text()
}

class Printer {
  readonly #spec: Spec
  readonly #lines: string[] = []
  /** Ways of going through a domain that the text needs, such as `FOR_PLANS_OF`. */
  readonly #ways = new Set<string>()

  constructor(spec: Spec) {
    this.#spec = spec
  }

  text(): string {
    const { spec, processes } = { spec: this.#spec, processes: this.#spec.processes }
    for (const process of processes) this.#process(process)
    this.#atRest()
    this.#init()
    const body = this.#lines.splice(0)
    const say = (...lines: readonly string[]) => this.#lines.push(...lines)
    say('/*', ...spec.about.map((line) => ` * ${line}`.trimEnd()), ' *')
    say(
      ` * Printed from lab/spec/${spec.name}.ts: edit that, and run HOLDFAST_WRITE_SPEC=1 vitest run lab/spec.`,
      ' */',
    )
    for (const [name, value] of Object.entries(spec.sizes)) say(`#ifndef ${name}`, `#define ${name} ${value}`, '#endif')
    for (const [name, value] of Object.entries(spec.constants)) say(`#define ${name} ${value}`)
    for (const [name, { params, promela, instead = {} }] of Object.entries(spec.given)) {
      const define = (text: string) => `#define ${name}(${params.join(', ')}) ${text}`
      const flags = Object.entries(instead)
      for (const [index, [flag, text]] of flags.entries())
        say(`${index === 0 ? '#if' : '#elif'} defined(${flag})`, define(text))
      say(...(flags.length > 0 ? ['#else', define(promela), '#endif'] : [define(promela)]))
    }
    if (Object.values(spec.shared).some(({ of = [] }) => of.length === 2))
      say('#define at(i, e) ((i) * ENDPOINTS + (e))')
    for (const way of [...this.#ways].sort()) this.#way(way)
    say('')
    for (const [name, variable] of Object.entries(spec.shared)) say(this.#declaration(name, variable))
    return `${[...this.#lines, ...body].join('\n')}\n`
  }

  #domain(name: string): Domain {
    const domain = this.#spec.domains[name]
    if (domain === undefined) throw new Error(`expected a domain of ${this.#spec.name}, found ${name}`)
    return domain
  }

  /** `FOR_PLANS(M)` is M(1) M(2) …; `EVERY_PLANS_OF(M, a)` is M(a, 1) && M(a, 2) && … */
  #way(way: string): void {
    const [, kind, name, of] = /^(FOR|EVERY|SOME)_([A-Z]+)(_OF)?$/.exec(way) as unknown as [
      string,
      string,
      string,
      string?,
    ]
    const { from, count, most } = this.#domain(name)
    const between = kind === 'FOR' ? ' ' : kind === 'EVERY' ? ' && ' : ' || '
    for (let size = 1; size <= most; size++) {
      const calls = Array.from({ length: size }, (_, index) => `M(${of === undefined ? '' : 'a, '}${from + index})`)
      const body = kind === 'FOR' ? calls.join(between) : `(${calls.join(between)})`
      this.#lines.push(`${size === 1 ? '#if' : '#elif'} ${count} == ${size}`)
      this.#lines.push(`#define ${way}(M${of === undefined ? '' : ', a'}) ${body}`)
    }
    this.#lines.push('#else', `#error "${count} from 1 to ${most}"`, '#endif')
  }

  #length(domain: string): string {
    const { from, count } = this.#domain(domain)
    return from === 0 ? count : `${count} + 1`
  }

  #declaration(name: string, { type, of = [], start, what }: Variable, indent = ''): string {
    const size = of.length === 0 ? '' : `[${of.map((domain) => this.#length(domain)).join(' * ')}]`
    const note = what === undefined ? '' : `  /* ${what} */`
    return `${indent}${type} ${name}${size}${start === undefined ? '' : ` = ${start}`};${note}`
  }

  #process(process: SpecProcess): void {
    const { name, what, count, only, own, actions } = process
    const say = (...lines: readonly string[]) => this.#lines.push(...lines)
    say('', `/* ${what}. */`)
    if (only !== undefined) say(only in this.#spec.sizes ? `#if ${only} > 0` : `#ifdef ${only}`)
    const options = actions.flatMap((action) => this.#action(process, action))
    say(count === 1 ? `active proctype ${name}() {` : `proctype ${name}(byte me) {`)
    for (const [variable, of] of Object.entries(own)) say(this.#declaration(variable, of, '  '))
    const counters = new Set(actions.flatMap((action) => countersOf(process, action)))
    if (counters.size > 0) say(`  byte ${[...counters].sort().join(', ')};`)
    say('end:', '  do', ...options.map((option) => `  ${option}`), '  od', '}')
    if (only !== undefined) say('#endif')
  }

  /** The macro of an action; returns the lines that use it. */
  #action(process: SpecProcess, action: Action): readonly string[] {
    const { name, what, params = {}, instead = {} } = action
    const macro = `${process.name}_${name}`.toUpperCase()
    const names = Object.keys(params)
    const chosen = Object.entries(params).filter(([, of]) => typeof of === 'string') as [string, string][]
    const print = (one: Action) => this.#macro(process, macro, names, one)
    this.#lines.push('', `/* ${what} */`)
    const flags = Object.entries(instead)
    for (const [index, [flag, change]] of flags.entries()) {
      this.#lines.push(`${index === 0 ? '#if' : '#elif'} defined(${flag})`)
      print({ ...action, ...change })
    }
    if (flags.length > 0) this.#lines.push('#else')
    print(action)
    if (flags.length > 0) this.#lines.push('#endif')
    if (names.length > chosen.length) {
      const fixed = names.map((param) => (typeof params[param] === 'number' ? String(params[param]) : param))
      this.#lines.push(
        `#define ${macro}_TRIED(${chosen.map(([param]) => param).join(', ')}) ${macro}(${fixed.join(', ')})`,
      )
    }
    const used = names.length > chosen.length ? `${macro}_TRIED` : macro
    const [first, second, ...others] = chosen
    if (others.length > 0) throw new Error(`expected at most two choices of ${macro}, found ${chosen.length}`)
    if (first === undefined) return [used]
    if (second === undefined) return [`${this.#use('FOR', first[1])}(${used})`]
    this.#lines.push(`#define ${macro}_AT(${first[0]}) ${this.#use('FOR', second[1], true)}(${used}, ${first[0]})`)
    return [`${this.#use('FOR', first[1])}(${macro}_AT)`]
  }

  #macro(process: SpecProcess, macro: string, params: readonly string[], { guard, spin = [], effect }: Action): void {
    const conditions = [...guard, ...spin].map((text, index) =>
      this.#condition(parseCondition(text), `${macro}_${index}`, params),
    )
    const body = effect.map((text) => this.#statement(parseStatement(text), process))
    const head = `#define ${macro}${params.length === 0 ? '' : `(${params.join(', ')})`}`
    const lines = [
      head,
      `  :: d_step { ${conditions.join(' && ') || 'true'} ->`,
      ...body.map((line, index) => `       ${line}${index < body.length - 1 ? ';' : ' }'}`),
    ]
    this.#lines.push(...lines.map((line, index) => (index < lines.length - 1 ? `${line} \\` : line)))
  }

  #use(kind: 'FOR' | 'EVERY' | 'SOME', domain: string, of = false): string {
    const way = `${kind}_${domain}${of ? '_OF' : ''}`
    this.#ways.add(way)
    return way
  }

  #condition({ over, expression }: Condition, macro: string, params: readonly string[]): string {
    if (over === null) return this.#expression(expression, 1)
    if (params.length > 1)
      throw new Error(`expected at most one parameter beside a quantifier, found ${params.length} in ${macro}`)
    const [param] = params
    const args = param === undefined ? over.name : `${param}, ${over.name}`
    this.#lines.push(`#define ${macro}(${args}) (${this.#expression(expression, 0)})`)
    const way = this.#use(over.kind === 'every' ? 'EVERY' : 'SOME', over.domain, param !== undefined)
    return `${way}(${macro}${param === undefined ? '' : `, ${param}`})`
  }

  #expression(of: Expression, least: number): string {
    switch (of.kind) {
      case 'number':
        return String(of.value)
      case 'name':
        return of.name
      case 'not':
        return `!${this.#expression(of.of, 9)}`
      case 'call':
        return `${of.name}(${of.args.map((arg) => this.#expression(arg, 0)).join(', ')})`
      case 'index': {
        const args = of.args.map((arg) => this.#expression(arg, 0))
        return args.length === 1 ? `${of.name}[${args[0]}]` : `${of.name}[at(${args.join(', ')})]`
      }
      case 'binary': {
        const own = rankOf(of.operator)
        // Parentheses that nobody needs but a reader.
        const inner = of.operator === '||' ? 2 : own
        const text = `${this.#expression(of.left, inner === own ? own : left(of.left, inner))} ${of.operator} ${this.#expression(of.right, Math.max(inner, own + 1))}`
        return own < least ? `(${text})` : text
      }
    }
  }

  #statements(of: readonly Statement[], process: SpecProcess): string {
    return of.length === 0 ? 'skip' : of.map((one) => this.#statement(one, process)).join('; ')
  }

  #statement(of: Statement, process: SpecProcess): string {
    switch (of.kind) {
      case 'assign':
        return `${this.#expression(of.to, 0)} = ${this.#expression(of.value, 3)}`
      case 'assert':
        return `assert(${this.#expression(of.condition, 0)})`
      case 'if': {
        const condition = this.#expression(of.condition, 0)
        return `if :: ${condition} -> ${this.#statements(of.yes, process)} :: else -> ${this.#statements(of.no, process)} fi`
      }
      case 'for':
        return this.#loop(of.name, of.domain, this.#statements(of.body, process))
      case 'restart':
        return Object.entries(process.own)
          .map(([name, { of: domains = [], start = 0 }]) => {
            const [domain] = domains
            if (domain === undefined) return `${name} = ${start}`
            return this.#loop(restartCounter(domain), domain, `${name}[${restartCounter(domain)}] = ${start}`)
          })
          .join('; ')
    }
  }

  #loop(name: string, domain: string, body: string): string {
    const { from, count } = this.#domain(domain)
    return `${name} = ${from}; do :: ${name} ${from === 0 ? '<' : '<='} ${count} -> ${body}; ${name}++ :: else -> break od; ${name} = 0`
  }

  #atRest(): void {
    if (this.#spec.atRest.length === 0) return
    this.#lines.push('', '/* When nothing more can happen. */')
    const conditions = this.#spec.atRest.map((text, index) =>
      this.#condition(parseCondition(text), `AT_REST_${index}`, []),
    )
    this.#lines.push(
      'active proctype rest() {',
      'end:',
      '  timeout ->',
      ...conditions.map((one, index) => `  assert(${one})${index < conditions.length - 1 ? ';' : ''}`),
      '}',
    )
  }

  #init(): void {
    const many = this.#spec.processes.filter(({ count }) => count !== 1)
    const runs = many.map(
      ({ name, count }) => `    i = 0; do :: i < ${count} -> run ${name}(i); i++ :: else -> break od`,
    )
    this.#lines.push('', 'init {', '  byte i;', '  atomic {', runs.join(';\n'), '  }', '}')
  }
}

/** A row of the same operator needs none. */
const left = (of: Expression, inner: number): number => (of.kind === 'binary' && of.operator === '||' ? 0 : inner)

const restartCounter = (domain: string): string => domain.slice(0, 1).toLowerCase()

/** The loop counters of an action, in all its variants. */
function countersOf({ own }: SpecProcess, { effect, instead = {} }: Action): readonly string[] {
  const texts = [effect, ...Object.values(instead).map((change) => change.effect ?? [])].flat()
  const inside = (of: Statement): readonly string[] => {
    if (of.kind === 'for') return [of.name, ...of.body.flatMap(inside)]
    if (of.kind === 'if') return [...of.yes, ...of.no].flatMap(inside)
    if (of.kind !== 'restart') return []
    return Object.values(own).flatMap(({ of: domains = [] }) => domains.slice(0, 1).map(restartCounter))
  }
  return texts.flatMap((text) => inside(parseStatement(text)))
}

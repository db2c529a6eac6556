/**
 * Something a person has to mend: what was expected, what was found, what to do.
 * A refusal or an outage is returned as a value with a `Problem`; only bugs are thrown.
 */
export interface Problem {
  readonly kind: 'problem'
  /** What was looked at, such as `endpoints[3].alias` or `authority 127.0.0.1:5300`. */
  readonly at: string
  readonly expected: string
  readonly found: string
  /** What the reader should do now, in the imperative. */
  readonly todo: string
}

export function problem(at: string, expected: string, found: string, todo: string): Problem {
  return { kind: 'problem', at, expected, found, todo }
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'problem'
}

/** One line for logs and terminals. */
export function describeProblem(p: Problem): string {
  return `${p.at}: expected ${p.expected}, found ${p.found}; ${p.todo}`
}

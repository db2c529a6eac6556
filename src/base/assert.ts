/** A bug is asserted, never handled: what is asserted here stays on in production. */

export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed'
}

/** Throws when what the code believes does not hold. `message` says what was expected and found. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message)
}

/** Marks a branch the types rule out: adding an arm to a union turns each use into a type error. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`expected no further case, found ${JSON.stringify(value)}`)
}

/**
 * Exit codes: the one table that the programs, `docs/cli.md` and the tests share.
 * Scripts may rely on them; a new meaning gets a new number.
 */
export const exit = {
  ok: 0,
  /** It was asked for correctly and did not happen: refused, not found, or failed. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** The configuration (or what it points at, such as a key file) is wrong. */
  config: 3,
  /** The store, an authority or a program that is needed cannot be reached or used. */
  unreachable: 4,
  /** A check was asked for and found something: differences, ill health, a warning that fails. */
  found: 5,
  /** The instruction was written and is in force; waiting for it to be enacted took too long. */
  pending: 6,
  /** A bug in Holdfast. */
  bug: 70,
} as const

export type ExitCode = (typeof exit)[keyof typeof exit]

export const exitMeanings: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'refused, not found, or failed',
  2: 'wrong usage: unknown command, option or value',
  3: 'the configuration is wrong',
  4: 'the store, an authority or a program that is needed cannot be reached',
  5: 'a check found something: differences (plan --check), ill health (status --check, doctor)',
  6: 'written and in force, but not enacted within the time given by --wait',
  70: 'a bug in Holdfast: please report it',
}

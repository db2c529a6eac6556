/**
 * The leaves and tables that the shape of `holdfast.yaml` is made of. Each leaf's error message is
 * `expected`, or `expected\ntodo`; `shape.ts` adds what was found.
 */
import { z } from 'zod'
import { didYouMean, quoted } from './problems.ts'

/** A table in which every key is known. */
export function table<Shape extends z.core.$ZodLooseShape>(expected: string, shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys, known) : expected),
  })
}

/** One `expected\ntodo` per unknown key, separated by a blank line. */
function unknownKeys(found: readonly string[], known: readonly string[]): string {
  const expected = `one of ${known.join(', ')}`
  return found
    .map((key) => {
      const meant = didYouMean(key, known)
      return `${expected}\n${meant === undefined ? 'remove it' : `did you mean ${quoted(meant)}?`}`
    })
    .join('\n\n')
}

export function tableOf<Key extends z.core.$ZodRecordKey, Value extends z.core.SomeType>(
  expected: string,
  key: Key,
  value: Value,
) {
  return z.record(key, value, { error: expected })
}

/** No control characters; a pattern that editors can read without flags. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it keeps out
const printable = /^[^\u0000-\u001f\u007f]+$/

export const text = (expected: string, pattern = printable) =>
  z
    .string({ error: expected })
    .regex(pattern, { error: expected })
    .max(4096, { error: `${expected}, at most 4096 characters` })

export const number = (expected: string, least: number, most: number) =>
  z.number({ error: expected }).min(least, { error: expected }).max(most, { error: expected })

export const whole = (what: string, least: number, most: number) => {
  const expected = `${what}, a whole number from ${least} to ${most}`
  return z.int({ error: expected }).min(least, { error: expected }).max(most, { error: expected })
}

export const flag = () => z.boolean({ error: 'true or false' })

/** One, or a list of at least one. */
export function oneOrMore<Item extends z.core.SomeType>(item: Item, expected: string, most: number) {
  return z.union(
    [
      item,
      z
        .array(item)
        .min(1, { error: `${expected}; not an empty list` })
        .max(most, { error: `at most ${most} of them` }),
    ],
    {
      error: `${expected}, or a list of them`,
    },
  )
}

export const id = (what: string) =>
  text(
    `${what}: 1 to 63 letters, digits, "-", "_" and ".", starting with a letter or digit`,
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  )
export const domain = (what: string) => text(`${what}, such as db.example.test`)
export const address = (what: string) => text(`${what}: an IP address and a port, such as 127.0.0.1:5300 or [::1]:5300`)
export const ip = () => text('an IP address, such as 192.0.2.1 or 2001:db8::1')
export const share = (what: string) => number(`${what}, a share from 0 to 1`, 0, 1)
export const port = () => whole('a port', 1, 65_535)
export const ttl = () => whole('a TTL in seconds', 0, 604_800)
export const duration = (what: string) =>
  text(
    `${what}: a number with its unit, such as 500ms, 1s, 2m or 1h\nwrite the unit`,
    /^[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h)$/,
  )

import { describe, expect, test } from 'vitest'
import type { ReadSecret } from '../model/secret.ts'
import type { Instant } from '../world/world.ts'
import { Doorkeeper } from './doorkeeper.ts'

const at = (ms: number) => ms as Instant
const agent = (name: string) => ({ name, targets: null, token: { kind: 'env', env: name } }) as const
const key = new Uint8Array(32).fill(7)

function keeper(tokens: Record<string, string | undefined>) {
  const told: string[] = []
  const read: ReadSecret = (source) => {
    const text = source.kind === 'env' ? tokens[source.env] : undefined
    return text === undefined ? { kind: 'unreadable', why: 'no such file' } : { kind: 'secret', text }
  }
  const doorkeeper = new Doorkeeper(Object.keys(tokens).map(agent), read, key, (name, why) =>
    told.push(`${name}: ${why}`),
  )
  return { doorkeeper, told, tokens }
}

const a = 'a'.repeat(32)
const b = 'b'.repeat(32)

describe('the doorkeeper', () => {
  test('lets in whoever has a token, by its name', () => {
    const { doorkeeper } = keeper({ a, b })
    const admit = (header: string | undefined) => {
      const admission = doorkeeper.admit(header, at(0))
      return admission.kind === 'speaker' ? admission.speaker.name : admission.kind
    }
    expect(admit(`Bearer ${a}`)).toBe('a')
    expect(admit(`bearer   ${b}`)).toBe('b')
    for (const wrong of [
      undefined,
      '',
      a,
      `Basic ${a}`,
      `Bearer ${a}x`,
      `Bearer ${a.slice(1)}`,
      `Bearer ${a} ${b}`,
      'Bearer ',
    ])
      expect(admit(wrong), wrong).toBe('stranger')
  })

  test('does not let in whose token is missing, short, or that of another, and says so once', () => {
    const { doorkeeper, told, tokens } = keeper({ a, b: a, c: 'short', d: undefined, e: 'with blank 1234567890' })
    expect(doorkeeper.admit('Bearer short', at(0)).kind).toBe('stranger')
    expect(told).toEqual([
      'b: a has the same one',
      'c: it has not 16 to 4096 printable characters without blanks',
      'd: no such file',
      'e: it has not 16 to 4096 printable characters without blanks',
    ])
    doorkeeper.admit(undefined, at(5_000))
    expect(told).toHaveLength(4)
    tokens.d = 'd'.repeat(16)
    expect(doorkeeper.admit(`Bearer ${'d'.repeat(16)}`, at(10_000)).kind).toBe('speaker')
    tokens.a = undefined
    expect(doorkeeper.admit(`Bearer ${a}`, at(20_000))).toMatchObject({ speaker: { name: 'b' } })
    expect(JSON.stringify(told)).not.toContain('short')
  })

  test('lets nobody in too often, and guessers hardly ever', () => {
    const { doorkeeper } = keeper({ a, b })
    const first = Array.from({ length: 300 }, () => doorkeeper.admit(`Bearer ${a}`, at(0)))
    expect(first.filter(({ kind }) => kind === 'speaker')).toHaveLength(200)
    expect(first.at(-1)).toEqual({ kind: 'later', agent: 'a', waitMs: 10 })
    expect(doorkeeper.admit(`Bearer ${b}`, at(0)).kind).toBe('speaker')
    expect(doorkeeper.admit(`Bearer ${a}`, at(10)).kind).toBe('speaker')
    expect(doorkeeper.weigh('a', 1_000, at(10))).toBeGreaterThan(900)
    expect(doorkeeper.weigh('b', 10, at(10))).toBe(0)
    const guesses = Array.from({ length: 100 }, () => doorkeeper.admit('Bearer guess', at(20)).kind)
    expect(guesses.filter((kind) => kind === 'stranger')).toHaveLength(40)
    expect(doorkeeper.admit(`Bearer ${b}`, at(20)).kind).toBe('speaker')
  })
})

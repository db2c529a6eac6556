import { expect, test } from 'vitest'
import { combine, opinionOf, type Seen, unknown, up } from './quorum.ts'

/** Histories as probers write them, oldest first. */
function opinion(...histories: readonly string[]): number {
  const bits = histories.map((history) => [...history].reduce((all, one) => (all << 1) | (one === 'f' ? 1 : 0), 0))
  const seen: Seen = {
    count: histories.length,
    fails: Uint32Array.from(bits),
    length: Uint8Array.from(histories, ({ length }) => length),
  }
  const together = { bad: 0, good: 0 }
  combine(seen, together)
  return opinionOf(together, 3, 2)
}

test.each([
  [['f'], unknown],
  [['f', 'f', 'f'], unknown],
  [['f', 'f', 'f', 'f'], unknown],
  [['p'], unknown],
  [['pp', 'pp'], up],
])(
  'what passed long ago does not outweigh the failures that one prober saw since, when others start with %j',
  (others, said) => {
    expect(opinion('ppppffffff', ...others)).toBe(said)
  },
)

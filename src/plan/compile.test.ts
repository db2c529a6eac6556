import { expect, test } from 'vitest'
import { alias, compiled, fixed, name, policy, pool, pooled, target } from '../../test/support/planning.ts'
import { compile, isCompiled, longestAliasChain } from './compile.ts'

const web = pool('web', [target(0)])

test('finds endpoints by pool, by shard in order, and where aliases end', () => {
  const all = [fixed('c', '192.0.2.1'), pooled('b', 'web'), alias('a', 'b'), alias('d', 'a')]
  const found = compiled(policy([web], all))
  expect(found.byPool('web').map((one) => one.name)).toEqual([name('b')])
  expect(found.byPool('none')).toEqual([])
  expect(found.inShard(0, 1).map((one) => one.name)).toEqual(['a', 'b', 'c', 'd'].map(name))
  const four = [0, 1, 2, 3].flatMap((index) => found.inShard(index, 4))
  expect(new Set(four)).toEqual(new Set(all))
  expect(found.endOf(all[3] as (typeof all)[0]).name).toBe(name('b'))
})

test.each([
  ['an alias of nothing', [alias('a', 'none')], /none.example.test., which is none/],
  ['an alias in a circle', [alias('a', 'b'), alias('b', 'a')], /circle/],
  ['a pool that is none', [pooled('a', 'none')], /found none; add the pool/],
  [
    'a chain too long',
    [fixed('n0', '192.0.2.1'), ...Array.from({ length: longestAliasChain + 1 }, (_, i) => alias(`n${i + 1}`, `n${i}`))],
    /within 8 aliases/,
  ],
])('does not believe a policy with %s', (_, endpoints, message) => {
  const problems = compile(policy([web], endpoints))
  if (isCompiled(problems)) throw new Error('expected problems')
  const texts = problems.map(({ at, expected, found, todo }) => `${at}: expected ${expected}, found ${found}; ${todo}`)
  expect(texts.join('\n')).toMatch(message)
})

test('allows the longest chain', () => {
  const chain = Array.from({ length: longestAliasChain }, (_, i) => alias(`n${i + 1}`, `n${i}`))
  expect(isCompiled(compile(policy([], [fixed('n0', '192.0.2.1'), ...chain])))).toBe(true)
})

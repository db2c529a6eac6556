/** Kinds of authorities in stories: what a server refuses by itself, what a weak one is spared. */
import { expect, test } from 'vitest'
import { keys } from '../src/model/keys.ts'
import { fenceOff } from './bugs/fence-off.ts'
import { every, tempted } from './bugs/tempt.ts'
import { substitute } from './bugs/wrap.ts'
import { runStory } from './run.ts'
import { drawStory, withAuthority } from './story.ts'

test('a server holds where every enactor has lost its fence: it refuses by itself to go back', {
  timeout: 60_000,
}, async () => {
  const story = tempted(
    { ...withAuthority(drawStory(1), 'server'), troubleMs: 20_000, happenings: [] },
    { foreign: false },
    every(1_500, 4_000, 14_000, { kind: 'hand', name: 0, what: 'outrun' }),
  )
  const { violation, reached } = await runStory(story, { sabotage: (region) => fenceOff.plant(region), only: 'S1' })
  expect(violation).toBeNull()
  expect(reached.get('enact.refused')).toBeGreaterThan(0)
  const weaker = await runStory(withAuthority(story, 'strict'), {
    sabotage: (region) => fenceOff.plant(region),
    only: 'S1',
  })
  expect(weaker.violation?.invariant).toBe('S1')
})

test('nobody gets in without the right key', { timeout: 60_000 }, async () => {
  const story = withAuthority(drawStory(1), 'server')
  const ways = ['unsigned', 'forged', 'other-key'] as const
  const { violation, reached } = await runStory(
    tempted(
      story,
      {},
      ways.flatMap((how, index) =>
        every(2_000, 3_000 + 100 * index, 60_000, { kind: 'intruder', zone: 0, name: index, how }),
      ),
    ),
  )
  expect(violation).toBeNull()
  expect(reached.get('serve.update_refused')).toBeGreaterThan(0)
  expect(reached.get('serve.signature_refused')).toBeGreaterThan(0)
})

test('an authority of single calls is not written to, and every name says why', { timeout: 60_000 }, async () => {
  const story = { ...withAuthority(drawStory(3), undefined), happenings: [] }
  let changes = 0
  const whys = new Set<string>()
  const { violation } = await runStory(
    { ...story, shape: { ...story.shape, foreign: false }, calmMs: 30_000 },
    {
      sabotage(region) {
        substitute(region, { provider: (provider) => ({ ...provider, guarantee: 'none' }) })
        region.kernel.arrive(0, null, () => {
          for (const authority of region.authorities)
            authority.onChange = () => {
              changes++
            }
        })
        region.kernel.after(15_000_000, null, () => {
          for (const key of region.store.keys(keys.progress.prefix)) {
            const progress = keys.progress.decode(region.store.peek(key) ?? new Uint8Array())
            for (const { why } of progress?.blocked ?? []) whys.add(why)
          }
        })
      },
    },
  )
  expect(violation?.invariant).toBe('L1')
  expect(changes).toBe(0)
  expect([...whys]).toEqual([expect.stringMatching(/found one that takes single calls; serve the zone from another/)])
})

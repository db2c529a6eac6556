import { expect, test } from 'vitest'
import { Kernel, ms } from './kernel.ts'
import { Network } from './network.ts'
import { simulatedWorld } from './world.ts'

test('a program that never waits is found, not waited for', async () => {
  const kernel = new Kernel({ seed: 1 })
  const process = kernel.add('spinner', async (self) => {
    const { clock } = simulatedWorld(kernel, new Network(kernel), self, () => {})
    const until = clock.now() + 10
    while (clock.now() < until) await null
  })
  kernel.start(process)
  await expect(kernel.run(ms(1_000))).rejects.toThrow('spinner threw: it goes round and round')
})

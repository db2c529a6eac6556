/**
 * The specimen by itself: its zone refuses what the provider's did, and whether it loses a name is a
 * matter of delays alone.
 */
import { describe, expect, test } from 'vitest'
import { Kernel, ms } from '../sim/kernel.ts'
import { Network } from '../sim/network.ts'
import { stream } from '../sim/random.ts'
import { simulatedWorld } from '../sim/world.ts'
import { ControlApi } from './control.ts'
import { enactor } from './enactor.ts'
import { type PlanFile, planner } from './planner.ts'
import { aliasTo, ClassicZone } from './zone.ts'

const endpoints = ['dynamodb', 'streams']

/** Plans come fast for two minutes; with `pauses`, processes stand still now and then, each by chance. */
async function night(seed: number, pauses: boolean) {
  const kernel = new Kernel({ seed })
  const network = new Network(kernel)
  const zone = new ClassicZone()
  const control = new ControlApi(kernel, zone)
  const file: PlanFile = []
  const random = stream(seed, 'pauses')
  let backward = 0
  control.listener = {
    batch: (_by, items, result) => {
      if (result.kind !== 'done') return
      const roots = items
        .filter(({ name }) => name === 'dynamodb')
        .map(({ value }) => Number(/plan-(\d+)/.exec(value)?.[1]))
      if (roots.length === 2 && (roots[1] as number) < (roots[0] as number)) backward += 1
    },
  }
  kernel.start(
    kernel.add('planner', (self) =>
      planner(
        simulatedWorld(kernel, network, self, () => {}),
        file,
        {
          shifted: () =>
            new Promise((resolve) => {
              if (kernel.now < ms(120_000))
                kernel.after(ms(600), self, () =>
                  resolve([{ id: 'lb-1', address: '10.0.0.1', weight: file.length + 1 }]),
                )
            }),
        },
      ),
    ),
  )
  for (const id of ['enactor-1', 'enactor-2', 'enactor-3']) {
    const process = kernel.add(id, (self) =>
      enactor(
        simulatedWorld(kernel, network, self, () => {}),
        { file, control: control.of(self), endpoints, keepPlans: 3 },
      ),
    )
    kernel.start(process)
    const stall = () => {
      if (kernel.now > ms(110_000)) return
      kernel.pause(process, ms(random.between(500, 6_000)))
      kernel.after(ms(random.between(2_000, 12_000)), null, stall)
    }
    if (pauses) kernel.after(ms(random.between(2_000, 12_000)), null, stall)
  }
  await kernel.run(ms(300_000))
  return {
    lost: endpoints.filter((endpoint) => zone.answer(endpoint).addresses.length === 0),
    backward,
    plans: file.length,
  }
}

describe('the protocol of October 2025', () => {
  test('loses nothing while nobody is delayed', { timeout: 30_000 }, async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const result = await night(seed, false)
      expect(result, `seed ${seed}`).toMatchObject({ lost: [] })
      expect(result.plans).toBeGreaterThan(100)
    }
  })

  test('goes back, and in the end loses a name for good, under delays that nobody chose', {
    timeout: 30_000,
  }, async () => {
    const nights = []
    for (let seed = 1; seed <= 20; seed++) nights.push(await night(seed, true))
    expect(nights.filter(({ backward }) => backward > 0).length).toBeGreaterThan(0)
    expect(nights.filter(({ lost }) => lost.length > 0).length).toBeGreaterThan(0)
  })
})

describe('its zone', () => {
  const zoneWith = (...records: readonly (readonly [string, string])[]) => {
    const zone = new ClassicZone()
    for (const [name, value] of records)
      expect(zone.batch([{ action: 'CREATE', name, value }])).toEqual({ kind: 'done' })
    return zone
  }

  test('does all of a batch or nothing', () => {
    const zone = zoneWith(['lock.db', 'enactor-1 7'])
    const result = zone.batch([
      { action: 'CREATE', name: 'plan-1.db', value: 'lb.plan-1.db*1' },
      { action: 'DELETE', name: 'lock.db', value: 'enactor-2 7' },
    ])
    expect(result).toMatchObject({ kind: 'refused', name: 'lock.db' })
    expect(zone.names()).toEqual(['lock.db'])
  })

  test('will not create over something, nor an alias of nothing', () => {
    const zone = zoneWith(['lock.db', 'enactor-1 7'])
    expect(zone.batch([{ action: 'CREATE', name: 'lock.db', value: 'x 1' }])).toMatchObject({ kind: 'refused' })
    expect(zone.batch([{ action: 'CREATE', name: 'db', value: aliasTo('plan-1.db') }])).toMatchObject({
      kind: 'refused',
      reason: 'tried to create db as an alias of plan-1.db, but the target was not found',
    })
  })

  test('lets the tree go that an alias leads to, and then answers no address', () => {
    const zone = zoneWith(['lb.plan-1.db', '10.0.0.1'], ['plan-1.db', 'lb.plan-1.db*1'], ['db', aliasTo('plan-1.db')])
    expect(zone.answer('db')).toEqual({ addresses: ['10.0.0.1'], plan: 1 })
    expect(zone.batch([{ action: 'DELETE', name: 'plan-1.db', value: 'lb.plan-1.db*1' }])).toEqual({ kind: 'done' })
    expect(zone.answer('db')).toEqual({ addresses: [], plan: 1 })
  })
})

import { expect, test } from 'vitest'
import type { IpAddress } from '../model/address.ts'
import type { Ttl } from '../model/answer.ts'
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Zone } from '../model/policy.ts'
import type { Change, Provider, Published } from '../providers/provider.ts'
import type { TraceEvent, World } from '../world/world.ts'
import { type BatchPorts, enactBatch } from './batch.ts'
import { publishedAs } from './fence.ts'

const entry = (name: string, generation: number, ...last: number[]): PlanEntry => ({
  name: `${name}.example.test.` as Name,
  since: generation as Generation,
  born: 1 as Generation,
  answer: {
    kind: 'addresses',
    ttl: 5 as Ttl,
    addresses: last.map((one) => ({ address: `192.0.2.${one}` as IpAddress, weight: 100 })) as never,
  },
})

test('what the plan does not account for is not written; the others are', async () => {
  const standing = new Map<Name, Published>()
  for (const one of [entry('a', 1, 1, 2), entry('b', 1, 1, 2)]) standing.set(one.name, publishedAs(one, 'test'))
  const written: Name[] = []
  const provider: Provider = {
    guarantee: 'atomic-conditional',
    read: async (_, names) => names.map((name) => ({ kind: 'published', published: standing.get(name) as Published })),
    async write(_, changes: readonly Change[]) {
      for (const { name, answer, marker } of changes) {
        written.push(name)
        standing.set(name, publishedAs({ name, since: marker.generation, born: marker.generation, answer }, 'test'))
      }
      return changes.map(() => ({ kind: 'accepted' }))
    },
  }
  const events: TraceEvent[] = []
  const ports: BatchPorts = {
    world: { id: 'e1', trace: (event: TraceEvent) => events.push(event) } as unknown as World,
    zone: { name: 'example.test.' as Name } as Zone,
    provider,
    plan: 2 as Generation,
    owner: 'test',
    adopt: () => false,
    ours: () => true,
    isNewest: async () => true,
    target: async () => ({ kind: 'stands' }),
    unexplained: ({ name }, published) =>
      name.startsWith('a.') ? `expected 192.0.2.2 to stay, one of ${published.addresses.length}` : null,
  }
  const { settled } = await enactBatch(ports, [entry('a', 2, 1), entry('b', 2, 1)])
  expect(written).toEqual(['b.example.test.'])
  expect(settled).toEqual([
    expect.objectContaining({
      kind: 'blocked',
      why: expect.stringMatching(/^S5: expected 192\.0\.2\.2 to stay, one of 2;/),
    }),
    expect.objectContaining({ kind: 'seen', how: 'applied' }),
  ])
  expect(events).toContainEqual(
    expect.objectContaining({ event: 'enact.removal_refused', name: 'a.example.test.', zone: 'example.test.' }),
  )
})

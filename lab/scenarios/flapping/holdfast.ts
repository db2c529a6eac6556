/** The same fleet under the production probers, planner and enactors. */
import { digestOf } from '../../../src/base/bytes.ts'
import type { NonEmpty } from '../../../src/base/nonempty.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { Name } from '../../../src/model/name.ts'
import { type Endpoint, type Policy, type Target, usualDetection, usualLimits } from '../../../src/model/policy.ts'
import type { EpochMs } from '../../../src/world/world.ts'
import { Region } from '../../region.ts'
import { Kernel, ms, type Process } from '../../sim/kernel.ts'
import { epoch } from '../../sim/world.ts'
import type { Shape } from '../../story.ts'
import { owner } from '../../wishes.ts'
import type { TellOptions } from '../october-2025/night.ts'
import {
  addressOf,
  arriving,
  Changes,
  endMs,
  established,
  type Flapping,
  Fleet,
  type Sample,
  sampleOf,
  siteOf,
  startedMs,
  targetOf,
} from './fleet.ts'
import { FlappingTeller } from './teller.ts'

const shape: Shape = {
  planners: 2,
  enactors: 2,
  probers: 3,
  pools: [established + arriving],
  endpointsPerPool: 1,
  aliases: 0,
  fixed: 0,
  zones: 1,
  keepPlans: 5,
  coalesceMs: 1_000,
  rampMs: usualDetection.rampMs,
  comparesTtl: false,
  foreign: false,
}

const apex = 'z0.test.' as Name
const service = 'service.z0.test.' as Name

/** What a configuration that says nothing else means. */
function policyOf(targets: number): Policy {
  const pool = {
    id: 'service',
    targets: Array.from(
      { length: targets },
      (_, target): Target => ({
        id: `t${target}`,
        site: siteOf(target),
        addresses: [addressOf(target) as IpAddress],
        capacity: 1,
      }),
    ) as unknown as NonEmpty<Target>,
    check: { kind: 'http', port: 80, path: '/', host: null, status: [200] } as const,
    ...usualDetection,
    timeoutMs: 1_000,
    limits: usualLimits,
  }
  const endpoint: Endpoint = {
    name: service,
    zone: apex,
    ttl: 5 as Endpoint['ttl'],
    from: { kind: 'pool', pool: pool.id },
    adopt: false,
  }
  const address = { host: '10.1.0.1', port: 53 }
  return {
    digest: digestOf(String(targets)),
    owner,
    zones: new Map([[apex, { name: apex, authority: { kind: 'rfc2136', address }, key: 'key.' as Name }]]),
    pools: new Map([[pool.id, pool]]),
    endpoints: new Map([[service, endpoint]]),
    keepPlans: shape.keepPlans,
    coalesceMs: shape.coalesceMs,
  }
}

export async function holdfastFlapping({ seed, tell }: TellOptions): Promise<Flapping> {
  const kernel = new Kernel({ seed })
  const region = new Region(kernel, shape)
  const fleet = new Fleet(kernel)
  const teller = new FlappingTeller(() => kernel.now / 1000, tell)
  const hosts = new Map(kernel.processes.map((process) => [process.id, process]))
  fleet.listen(region.network, (target) => hosts.get(`target-0-${target}`) as Process)
  region.policy = policyOf(established)
  let modified = epoch
  region.substitutes = {
    policy: () => ({
      read: async () => ({ kind: 'policy', policy: region.policy, modified: modified as EpochMs }),
    }),
  }
  kernel.after(ms(startedMs), null, () => {
    region.policy = policyOf(established + arriving)
    modified = epoch + startedMs
  })
  region.listener = (process, { event, ...fields }) => {
    if (event === 'plan.gate') teller.say(process.id, String(fields.text))
  }
  const changes = new Changes()
  let answer: ReadonlySet<number> = new Set()
  for (const authority of region.authorities)
    authority.onChange = (name, _before, after) => {
      if (name !== service) return
      const next = new Set(after.addresses.map(targetOf))
      fleet.changed(changes.note(answer, next))
      answer = next
    }
  region.startAll()
  const samples: Sample[] = []
  for (let atMs = 1_000; atMs <= endMs; atMs += 1_000) {
    await kernel.run(ms(atMs))
    samples.push(teller.sample(sampleOf(fleet, atMs, answer)))
  }
  return {
    hash: kernel.hash,
    samples,
    changes: changes.total,
    mostOfOne: changes.mostOfOne,
    sitesOut: [],
    checks: fleet.checks,
  }
}

import { createHash } from 'node:crypto'
import type { Digest } from '../base/bytes.ts'
import type { Endpoint, EndpointSource, Policy } from '../model/policy.ts'

/** Of everything in a policy, in an order of its own: what the file says in another order is the same policy. */
export function policyDigest(policy: Omit<Policy, 'digest'>): Digest {
  const hash = createHash('sha256')
  const { owner, keepPlans, coalesceMs } = policy
  hash.update(JSON.stringify([owner, keepPlans, coalesceMs]))
  hash.update(`\n${lines([...policy.zones.values()].map((zone) => JSON.stringify(zone)))}`)
  const pools = [...policy.pools.values()].map(({ targets, ...pool }) =>
    JSON.stringify([pool.id, pool, targets.map((target) => JSON.stringify(target)).sort()]),
  )
  hash.update(`\n${lines(pools)}`)
  const endpoints = [...policy.endpoints.values()].map(endpointText).sort()
  for (let start = 0; start < endpoints.length; start += 4_096)
    hash.update(`\n${endpoints.slice(start, start + 4_096).join('\n')}`)
  return hash.digest('hex').slice(0, 32) as Digest
}

const lines = (texts: readonly string[]): string => [...texts].sort().join('\n')

function endpointText({ name, zone, ttl, from, adopt }: Endpoint): string {
  return `${name} ${zone} ${ttl} ${adopt ? 'adopt' : 'own'} ${sourceText(from)}`
}

function sourceText(from: EndpointSource): string {
  if (from.kind === 'pool') return `pool ${from.pool}`
  if (from.kind === 'alias') return `alias ${from.of}`
  return `addresses ${from.addresses
    .map(({ address, weight }) => `${address}*${weight}`)
    .sort()
    .join(' ')}`
}

/**
 * The policy, made ready for planning: once per policy, so that a plan costs what changed and not what
 * exists. Endpoints by shard and by pool; aliases proved to end somewhere.
 */
import { assert } from '../base/assert.ts'
import { isNonEmpty, type NonEmpty } from '../base/nonempty.ts'
import { type Problem, problem } from '../base/problem.ts'
import { shardOf } from '../model/plan.ts'
import type { Endpoint, Policy } from '../model/policy.ts'

export interface Compiled {
  readonly policy: Policy
  /** The endpoints answered from a pool, by its id; none for a pool without endpoints. */
  byPool(pool: string): readonly Endpoint[]
  /** The endpoints of one shard of so many, sorted by name. */
  inShard(index: number, shardCount: number): readonly Endpoint[]
  /** The endpoint with addresses of its own that an alias, or a chain of them, ends at; the endpoint itself otherwise. */
  endOf(endpoint: Endpoint): Endpoint
}

/** Resolvers give up on long chains, each at its own length; none does before this one. */
export const longestAliasChain = 8

const problemsMax = 100

/** A policy from `src/config/` has none of these problems; one from elsewhere is not believed. */
export function compile(policy: Policy): Compiled | NonEmpty<Problem> {
  const byPool = new Map<string, Endpoint[]>()
  const problems: Problem[] = []
  for (const [name, endpoint] of policy.endpoints) {
    const { from } = endpoint
    const found = name === endpoint.name ? wrongIn(policy, endpoint) : undefined
    if (name !== endpoint.name)
      problems.push(problem(`endpoint ${name}`, `an endpoint of that name`, endpoint.name, 'report this as a bug'))
    if (found !== undefined) problems.push(found)
    if (problems.length >= problemsMax) break
    if (from.kind !== 'pool') continue
    const list = byPool.get(from.pool)
    if (list === undefined) byPool.set(from.pool, [endpoint])
    else list.push(endpoint)
  }
  if (isNonEmpty(problems)) return problems

  let sharded: Sharded | undefined
  return {
    policy,
    byPool: (pool) => byPool.get(pool) ?? [],
    inShard(index, shardCount) {
      if (sharded?.count !== shardCount) sharded = shard(policy, shardCount)
      return sharded.endpoints(index)
    },
    endOf(endpoint) {
      let end = endpoint
      while (end.from.kind === 'alias') {
        const next = policy.endpoints.get(end.from.of)
        assert(next !== undefined, `expected the target of alias ${end.name} in the policy, found none`)
        end = next
      }
      return end
    },
  }
}

function wrongIn(policy: Policy, endpoint: Endpoint): Problem | undefined {
  const at = `endpoint ${endpoint.name}`
  if (endpoint.from.kind === 'pool' && !policy.pools.has(endpoint.from.pool))
    return problem(at, 'a pool of the policy', endpoint.from.pool, 'add the pool or correct the name')
  let end = endpoint
  for (let length = 0; end.from.kind === 'alias'; length++) {
    const next = policy.endpoints.get(end.from.of)
    if (next === undefined)
      return problem(at, 'an alias of another endpoint', `${end.from.of}, which is none`, 'add it or correct the alias')
    if (length === longestAliasChain)
      return problem(
        at,
        `an endpoint with addresses within ${longestAliasChain} aliases`,
        'a longer chain, or a circle',
        'point the alias at an endpoint with addresses',
      )
    end = next
  }
  return undefined
}

interface Sharded {
  readonly count: number
  endpoints(index: number): readonly Endpoint[]
}

/** Counting sort into shards; each shard is put in order when it is first asked for. */
function shard(policy: Policy, count: number): Sharded {
  const lists: Endpoint[][] = Array.from({ length: count }, () => [])
  const sorted = new Uint8Array(count)
  for (const endpoint of policy.endpoints.values()) (lists[shardOf(endpoint.name, count)] as Endpoint[]).push(endpoint)
  return {
    count,
    endpoints(index) {
      const list = lists[index]
      assert(list !== undefined, `expected a shard index below ${count}, found ${index}`)
      if (sorted[index] === 0) list.sort((a, b) => (a.name < b.name ? -1 : 1))
      sorted[index] = 1
      return list
    },
  }
}

export const isCompiled = (result: Compiled | NonEmpty<Problem>): result is Compiled => 'policy' in result

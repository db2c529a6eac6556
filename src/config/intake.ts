/** The `intake` section and a pool's `demand` in the words of the model. Pure. */
import type { DemandSource, Policy } from '../model/policy.ts'
import type { SecretSource } from '../model/secret.ts'
import type { Address } from '../world/world.ts'
import { type Report, secretSourceOf } from './check.ts'
import { didYouMean, type Path, quoted } from './problems.ts'
import type { FileShape, PoolShape } from './schema.ts'

export interface IntakeAgent {
  readonly name: string
  readonly token: SecretSource
  /** Pools, or targets as POOL/TARGET; null: all. */
  readonly targets: ReadonlySet<string> | null
}

export interface IntakeConfig {
  readonly listen: Address
  readonly freshnessMs: number
  readonly agents: readonly IntakeAgent[]
}

/** Whether there is anything for an intake to do: agents to listen to, or demand to ask for. */
export const wantsIntake = ({
  intake,
  policy,
}: {
  readonly intake: IntakeConfig | null
  readonly policy: Pick<Policy, 'pools'>
}): boolean => intake !== null || [...policy.pools.values()].some(({ demand }) => demand?.kind === 'prometheus')

/** What reading takes from the draft: each reports what it cannot read. */
export interface Reading {
  readonly report: Report
  address(text: string, path: Path): Address | undefined
  duration(text: string, path: Path, least: number, most: number, words: string): number | undefined
}

export function readDemand(
  demand: NonNullable<PoolShape['demand']>,
  path: Path,
  { report, address, duration }: Reading,
): DemandSource | undefined {
  if (typeof demand === 'number') return { kind: 'fixed', value: demand }
  const at = [...path, 'prometheus']
  const { prometheus } = demand
  const to = address(prometheus.address, [...at, 'address'])
  const everyMs = duration(
    prometheus.every,
    [...at, 'every'],
    1_000,
    30_000,
    'from 1s to 30s: older demand is not used',
  )
  const maxAgeMs = duration(prometheus.maxAge, [...at, 'maxAge'], 1_000, 300_000, 'from 1s to 5m')
  const { bearer, tls } = prometheus
  const secret = bearer === undefined ? undefined : secretSourceOf(bearer, [...at, 'bearer'], report)
  if (to === undefined || everyMs === undefined || maxAgeMs === undefined) return undefined
  if (bearer !== undefined && secret === undefined) return undefined
  return {
    kind: 'prometheus',
    address: to,
    query: prometheus.query,
    everyMs,
    maxAgeMs,
    path: prometheus.path?.replace(/\/+$/, '') ?? '',
    ...(tls === undefined
      ? {}
      : { tls: { serverName: tls.serverName ?? null, verify: tls.verify, ca: tls.ca ?? null } }),
    ...(secret === undefined ? {} : { bearer: secret }),
  }
}

/** `pools`: target ids by pool; null for a pool that is not whole. */
export function readIntake(
  intake: NonNullable<FileShape['intake']>,
  pools: ReadonlyMap<string, ReadonlySet<string> | null>,
  { report, address, duration }: Reading,
): IntakeConfig | undefined {
  const path: Path = ['intake']
  const listen = address(intake.listen, [...path, 'listen'])
  const freshnessMs = duration(intake.freshness, [...path, 'freshness'], 1_000, 600_000, 'from 1s to 10m')
  const agents: IntakeAgent[] = []
  const entries = Object.entries(intake.agents)
  if (entries.length === 0) report([...path, 'agents'], 'at least one agent', 'none', 'add one, or remove the section')
  if (entries.length > 10_000)
    report([...path, 'agents'], 'at most 10000 agents', String(entries.length), 'let several machines share a token')
  for (const [name, shape] of entries) {
    const at = [...path, 'agents', name]
    const token = secretSourceOf(shape.token, [...at, 'token'], report)
    const named = shape.targets === undefined ? null : [shape.targets].flat()
    for (const [index, text] of named?.entries() ?? []) {
      const where = [...at, 'targets', ...(Array.isArray(shape.targets) ? [index] : [])]
      const [pool = '', target] = text.split('/')
      const targets = pools.get(pool)
      if (targets === undefined)
        report(where, 'a pool of this file', quoted(pool), suggestion(pool, pools.keys(), 'correct the name'))
      else if (target !== undefined && targets !== null && !targets.has(target))
        report(where, `a target of the pool ${pool}`, quoted(target), suggestion(target, targets, 'correct the name'))
    }
    if (token !== undefined) agents.push({ name, token, targets: named === null ? null : new Set(named) })
  }
  return listen === undefined || freshnessMs === undefined ? undefined : { listen, freshnessMs, agents }
}

function suggestion(word: string, known: Iterable<string>, otherwise: string): string {
  const near = didYouMean(word, known)
  return near === undefined ? otherwise : `did you mean ${quoted(near)}?`
}

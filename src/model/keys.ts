/** The layout of the store: every key that exists, and the JSON documents behind them. */
import { type Digest, fromUtf8, utf8 } from '../base/bytes.ts'
import type { Generation } from './generation.ts'
import type { Balancing } from './haproxy.ts'
import type { FleetPart, HostLease, LeaseHint, LeaseKey, LeaseManager, ShardLease } from './lease.ts'
import type { Name } from './name.ts'
import type { Observation } from './observation.ts'
import { type Override, type OverrideAction, subjectOf } from './override.ts'
import type { PlanHead } from './plan.ts'
import type { Claim, EnactorProgress, PolicyInForce, RoleStatus, Writer } from './progress.ts'
import type { Demand, Report } from './report.ts'

/** The newest plan: its number and the digest of its head document. */
export interface Head {
  readonly generation: Generation
  readonly digest: Digest
}

/** A kind of document: its key, and its codec. `Document` is only a type. */
export interface Kind<Args extends readonly unknown[], Document> {
  readonly prefix: string
  key(...args: Args): string
  encode(document: Document): Uint8Array
  /** Undefined when the bytes are not such a document: damage, to be repaired by whoever owns the key. */
  decode(value: Uint8Array): Document | undefined
}

function kind<Args extends readonly unknown[], Document extends object>(
  prefix: string,
  rest: (...args: Args) => string,
): Kind<Args, Document> {
  return {
    prefix,
    key: (...args) => prefix + rest(...args),
    encode: (document) => utf8(JSON.stringify(document)),
    decode(value) {
      try {
        const document: unknown = JSON.parse(fromUtf8(value))
        return typeof document === 'object' && document !== null ? (document as Document) : undefined
      } catch {
        return undefined
      }
    },
  }
}

/** Sixteen digits, so that the order of keys is the order of numbers. */
const padded = (generation: Generation) => String(generation).padStart(16, '0')

export const keys = {
  head: kind<[], Head>('head', () => ''),
  plan: kind<[Generation], PlanHead>('plan/', padded),
  /** The text of a shard as UTF-8, not JSON. */
  shard: { prefix: 'shard/', key: (digest: Digest) => `shard/${digest}` },
  claim: kind<[enactor: string], Claim>('claim/', (enactor) => enactor),
  progress: kind<[enactor: string], EnactorProgress>('progress/', (enactor) => enactor),
  balancing: kind<[balancer: string], Balancing>('balancing/', (balancer) => balancer),
  observation: kind<[pool: string, prober: string], Observation>('observation/', (pool, prober) => `${pool}/${prober}`),
  report: kind<[pool: string, intake: string], Report>('report/', (pool, intake) => `${pool}/${intake}`),
  demand: kind<[pool: string, by: string], Demand>('demand/', (pool, by) => `${pool}/${by}`),
  override: kind<[OverrideAction], Override>('override/', subjectOf),
  writer: kind<[zone: Name], Writer>('writer/', (zone) => zone),
  policy: kind<[], PolicyInForce>('policy', () => ''),
  leaseShard: kind<[shard: number], ShardLease>('lease/shard/', (shard) => String(shard).padStart(5, '0')),
  leaseManager: kind<[manager: string], LeaseManager>('lease/manager/', (manager) => manager),
  leaseFleet: kind<[manager: string], FleetPart>('lease/fleet/', (manager) => manager),
  leaseHint: kind<[stage: 'leases' | 'downstream'], LeaseHint>('lease/hint/', (stage) => stage),
  leaseKey: kind<[], LeaseKey>('lease/key', () => ''),
  leaseHost: kind<[host: string], HostLease>('lease/host/', (host) => host),
  status: kind<[role: RoleStatus['role'], id: string], RoleStatus>('status/', (role, id) => `${role}/${id}`),
} as const

export function generationOfPlanKey(key: string): Generation | undefined {
  const digits = key.slice(keys.plan.prefix.length)
  return key.startsWith(keys.plan.prefix) && /^[0-9]{16}$/.test(digits) ? (Number(digits) as Generation) : undefined
}

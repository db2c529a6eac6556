/**
 * What the operator wants, as read from `holdfast.yaml`: already checked, canonical, frozen.
 * `src/config/` makes it; the planner decides by it; nothing here knows about YAML or files.
 */
import type { Digest } from '../base/bytes.ts'
import type { NonEmpty } from '../base/nonempty.ts'
import type { Problem } from '../base/problem.ts'
import type { Address, EpochMs } from '../world/world.ts'
import type { IpAddress } from './address.ts'
import type { Ttl, WeightedAddress } from './answer.ts'
import type { Check, CheckTls } from './check.ts'
import type { Name } from './name.ts'
import type { SecretSource } from './secret.ts'

export type { Check } from './check.ts'

export interface Target {
  /** Unique in its pool; letters, digits, `-`, `_`, `.`. */
  readonly id: string
  /** Its failure domain. */
  readonly site: string
  readonly addresses: NonEmpty<IpAddress>
  /** What it can carry, in any unit that is the same for the whole pool; above 0. */
  readonly capacity: number
}

/** How far and how fast automation may take capacity away: S5. Shares are 0 to 1 of the whole. */
export interface Limits {
  /** Removals in any `windowMs` take at most this share of the pool, or one target if that is more. */
  readonly poolBudget: number
  /** The same for one site's share of its own capacity. */
  readonly siteBudget: number
  readonly windowMs: number
  /** Capacity in the answer never falls under this share of the pool, save that one target may always go while half stays. */
  readonly floor: number
  /** Part of its capacity up to which a target is to be used: demand divided by it is the least capacity that stays. Above 0. */
  readonly utilization: number
  /** Under this share of healthy capacity the checks are not believed and every target answers. */
  readonly failOpenUnder: number
  /** From this share on they are believed again. */
  readonly failOpenUntil: number
  /** Whether they are believed does not change again sooner than this. */
  readonly failOpenDwellMs: number
  /**
   * When this share of the pool or of a site (and at least three targets) goes down within
   * `correlationWindowMs`, removals there stop for `undoMs`, and those of the last `undoMs` are undone.
   */
  readonly correlation: number
  readonly correlationWindowMs: number
  readonly undoMs: number
  /** A prober that sees so much greater a share of the pool fail than probers do in the median is not listened to. */
  readonly muteOver: number
  /** Nobody is removed while anything fresh is known of less than this share of the targets. */
  readonly blindUnder: number
  readonly evacuation: Evacuation
}

/** When automation takes a whole site out at once: the only way past the budgets, and past the floor where demand is known. */
export interface Evacuation {
  /** At least this share of the site fails, as seen from each of two other sites. */
  readonly failing: number
  /** At most this share of every other site fails. */
  readonly othersFailing: number
  /** What is left carries at least so many times the demand. 1 and up. */
  readonly headroom: number
  /** Not more than one site in this time. */
  readonly everyMs: number
  /** It comes back, in steps, after at least this share of it has passed for `healthyMs`. */
  readonly healthy: number
  readonly healthyMs: number
}

/** What a configuration that says nothing else means. */
export const usualLimits: Limits = {
  poolBudget: 0.05,
  siteBudget: 0.1,
  windowMs: 60_000,
  floor: 0.7,
  utilization: 0.8,
  failOpenUnder: 0.5,
  failOpenUntil: 0.6,
  failOpenDwellMs: 30_000,
  correlation: 0.3,
  correlationWindowMs: 10_000,
  undoMs: 120_000,
  muteOver: 0.3,
  blindUnder: 0.5,
  evacuation: {
    failing: 0.8,
    othersFailing: 0.1,
    headroom: 1.1,
    everyMs: 600_000,
    healthy: 0.95,
    healthyMs: 120_000,
  },
}

/** The same for how a target is judged. */
export const usualDetection = {
  intervalMs: 2_000,
  fall: 3,
  rise: 2,
  rampMs: 30_000,
  graceMs: 120_000,
  holdMs: 10_000,
  holdMaxMs: 300_000,
} as const

export interface Pool {
  readonly id: string
  readonly targets: NonEmpty<Target>
  readonly check: Check
  readonly intervalMs: number
  /** One check takes at most this long; below `intervalMs`. */
  readonly timeoutMs: number
  /** Failures in a row that make a target down. */
  readonly fall: number
  /** Successes in a row that bring it back. */
  readonly rise: number
  /** A returning target grows from a tenth of its weight to all of it over this time. 0: at once. */
  readonly rampMs: number
  /** A target that was added does not count as failing before this is over, nor before it passed for the first time. */
  readonly graceMs: number
  /** A target that went down stays down at least this long, and twice as long each time it does so again within 10 minutes. */
  readonly holdMs: number
  /** At most this long. */
  readonly holdMaxMs: number
  readonly limits: Limits
  /** How much of its capacity is needed now, in the units of its targets' capacities. Absent: nobody knows. */
  readonly demand?: DemandSource
}

export type DemandSource =
  | { readonly kind: 'fixed'; readonly value: number }
  | {
      readonly kind: 'prometheus'
      readonly address: Address
      /** PromQL that yields one sample. */
      readonly query: string
      /** How often it is asked. */
      readonly everyMs: number
      /** An older sample is not used. */
      readonly maxAgeMs: number
      /** In front of `/api/v1/query`: empty, or such as `/prometheus`. */
      readonly path: string
      /** Absent: plain HTTP. */
      readonly tls?: Pick<CheckTls, 'serverName' | 'verify' | 'ca'>
      /** Sent as `Authorization: Bearer`. */
      readonly bearer?: SecretSource
    }

export type EndpointSource =
  | { readonly kind: 'pool'; readonly pool: string }
  | { readonly kind: 'alias'; readonly of: Name }
  /** Addresses written down, without health. */
  | { readonly kind: 'addresses'; readonly addresses: NonEmpty<WeightedAddress> }

export interface Endpoint {
  readonly name: Name
  /** The zone that it lies in: the longest match. */
  readonly zone: Name
  readonly ttl: Ttl
  readonly from: EndpointSource
  /** Take over records that exist at this name and that Holdfast did not make. */
  readonly adopt: boolean
}

/** Where a zone is written. Credentials are not here: the planner reads this type and must not hold them. */
export type Authority =
  | { readonly kind: 'builtin'; readonly address: Address }
  | { readonly kind: 'rfc2136'; readonly address: Address }

export interface Zone {
  readonly name: Name
  readonly authority: Authority
  /** The name of the TSIG key; its secret is looked up by those who write. */
  readonly key: Name
}

export interface Policy {
  /** Of the whole policy: equal digests, equal policies. */
  readonly digest: Digest
  /** Name of this deployment, written into every marker. */
  readonly owner: string
  readonly zones: ReadonlyMap<Name, Zone>
  readonly pools: ReadonlyMap<string, Pool>
  readonly endpoints: ReadonlyMap<Name, Endpoint>
  /** S4: how many ancestors of the head are always kept. At least 2. */
  readonly keepPlans: number
  /** Changes that are not urgent wait this long for company, so that generations stay few. */
  readonly coalesceMs: number
}

export type PolicyReading =
  | { readonly kind: 'policy'; readonly policy: Policy /** Of the file. */; readonly modified: EpochMs }
  /** The file is gone, unreadable or wrong. Whoever asks goes on with the last good policy. */
  | { readonly kind: 'unreadable'; readonly problems: NonEmpty<Problem> }

/** Where the programs read the policy from, again and again: cheap while nothing changed. */
export interface PolicySource {
  read(): Promise<PolicyReading>
}

/**
 * A plan: the complete, immutable statement of what every endpoint must answer.
 *
 * Its head document is small; its body stands in shards named by the digest of their text, one line
 * per endpoint, sorted by name:
 *
 *     db.example.test. 41 1 60 addresses 127.0.0.11*100 127.0.0.12*100
 *     www.example.test. 3 3 60 alias db.example.test.
 *
 * name, `since` (the generation in which this answer last changed: what the marker says), `born` (the
 * generation in which the name first appeared), and the answer. An unchanged shard has an unchanged
 * digest, so generations share it and a difference costs what changed; a torn one cannot be read.
 */
import type { Digest } from '../base/bytes.ts'
import type { EpochMs } from '../world/world.ts'
import { type Answer, answerText, parseAnswerText } from './answer.ts'
import { type Generation, toGeneration } from './generation.ts'
import type { Name } from './name.ts'

export interface PlanEntry {
  readonly name: Name
  readonly since: Generation
  readonly born: Generation
  readonly answer: Answer
}

export function entryLine(entry: PlanEntry): string {
  return `${entry.name} ${entry.since} ${entry.born} ${answerText(entry.answer)}`
}

export function parseEntryLine(line: string): PlanEntry | undefined {
  const first = line.indexOf(' ')
  const second = line.indexOf(' ', first + 1)
  const third = line.indexOf(' ', second + 1)
  if (first <= 0 || second < 0 || third < 0) return undefined
  const since = toGeneration(Number(line.slice(first + 1, second)))
  const born = toGeneration(Number(line.slice(second + 1, third)))
  const answer = parseAnswerText(line.slice(third + 1))
  if (since === undefined || born === undefined || answer === undefined) return undefined
  return { name: line.slice(0, first) as Name, since, born, answer }
}

/** The text of a shard: each line ends with a line feed, sorted by name; a shard without endpoints is empty text. */
export function shardText(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

export function shardLines(text: string): string[] {
  return text === '' ? [] : text.slice(0, -1).split('\n')
}

/** The line of one endpoint in the text of its shard. */
export function lineOf(text: string, name: Name): string | undefined {
  const start = text.startsWith(`${name} `) ? 0 : text.indexOf(`\n${name} `) + 1
  if (start === 0 && !text.startsWith(`${name} `)) return undefined
  return text.slice(start, text.indexOf('\n', start))
}

/** A plan whose shards are at hand: all of them, or those that somebody asked for beforehand. */
export interface PlanText {
  readonly head: PlanHead
  /** The text of `head.shards[index]`, whole. @throws AssertionFailed if that shard was not loaded */
  shard(index: number): string
}

/** Why a target answers, or does not. */
export type TargetState =
  /** Has not passed its checks since it was added: does not answer, and no share is reckoned with it. */
  | { readonly kind: 'new'; readonly since: EpochMs }
  | ({ readonly kind: 'serving'; readonly since: EpochMs } & Flapping)
  | ({ readonly kind: 'ramping'; readonly since: EpochMs /** 10 to 99. */; readonly percent: number } & Flapping)
  /** Down, but a gate holds it back: it still answers in full. */
  | ({ readonly kind: 'held'; readonly since: EpochMs; readonly by: string } & Flapping)
  | ({
      readonly kind: 'removed'
      readonly since: EpochMs
      readonly reason: string
      /** It did not answer before either, so nothing left, and no ledger speaks of it. */
      readonly unanswered?: true
    } & Flapping)
  | ({ readonly kind: 'drained'; readonly since: EpochMs; readonly by: string; readonly reason: string } & Flapping)
  /** Out with its whole site: `PoolState.sites` says by whom. */
  | ({ readonly kind: 'evacuated'; readonly since: EpochMs } & Flapping)

export interface Flapping {
  /** When it went down, oldest first: those that count for how long it stays down. Absent: none. */
  readonly downs?: readonly EpochMs[]
}

/** Capacity that automation took out of a pool: the ledger behind S5. */
export interface Removal {
  readonly at: EpochMs
  readonly target: string
  readonly site: string
  readonly capacity: number
  /** A rollback took it, not the health: no budget had a say. */
  readonly by?: 'rollback'
}

/** A site of a pool about which there is more to say than about its targets. */
export type SiteState =
  | {
      readonly kind: 'evacuated'
      readonly since: EpochMs
      /** `health`, or the operator who said so. */
      readonly by: string
      readonly reason: string
      /** Since when enough of it passes to let it come back; null: it does not. */
      readonly healthySince: EpochMs | null
    }
  /** Comes back: each target answers with the part that belongs to this step, from `since` on. */
  | {
      readonly kind: 'returning'
      readonly since: EpochMs
      readonly step: 1 | 2
      /** When it had been evacuated, and by whom: counts for how often that may happen. */
      readonly evacuated: EpochMs
      readonly by: string
    }
  /** So much of it fails that its checks are not believed, and it could not be evacuated: all of it answers. */
  | { readonly kind: 'open'; readonly since: EpochMs }

/** A pool as this plan leaves it: travels with the plan, so all planners share one ledger. */
export interface PoolState {
  readonly targets: Readonly<Record<string, TargetState>>
  /** Null, or since when the checks are not believed and every target answers. */
  readonly failOpenSince: EpochMs | null
  /** When they were last believed again; absent: they always were. */
  readonly believedSince?: EpochMs
  /** Removals that may still count in a window or be undone, oldest first. */
  readonly ledger: readonly Removal[]
  /** By site, under the empty name for the pool: when so many went down at once that removals there stop for `undoMs`. */
  readonly freezes?: Readonly<Record<string, EpochMs>>
  readonly sites?: Readonly<Record<string, SiteState>>
  /** When automation last evacuated a site. */
  readonly evacuatedAt?: EpochMs
  /** Weight in the answer over full weight of the pool, 0 to 1. */
  readonly capacity: number
}

/** What a plan changes against its parent. */
export interface BlastRadius {
  readonly namesChanged: number
  readonly namesAdded: number
  readonly namesRetired: number
  readonly namesTotal: number
  /** Greatest share of any pool's capacity that it takes out of answers, 0 to 1. */
  readonly capacityRemoved: number
  /** Until the last cache has forgotten the old answers, seconds. */
  readonly ttlMax: number
}

/** One sentence about one subject: a name, a `pool/target`, or `plan`. */
export interface Reason {
  readonly subject: string
  readonly text: string
}

export interface PlanHead {
  readonly generation: Generation
  /** The plan it was made from; `genesis` for the first. */
  readonly parent: Generation
  readonly at: EpochMs
  /** Which planner or operator. */
  readonly author: string
  /** Of the policy that it follows. */
  readonly policy: Digest
  /** Only while a rollback is in force: the plan whose answers this one repeats. */
  readonly rolledBackTo?: Generation
  /** Names that an operator had pinned when this plan was made; absent if there were none. */
  readonly pinned?: readonly Name[]
  /** A power of two of them; endpoint `name` is in shard `shardOf(name, shards.length)`. */
  readonly shards: readonly Digest[]
  /** By pool id. */
  readonly pools: Readonly<Record<string, PoolState>>
  readonly blast: BlastRadius
  /** At most 1,000; the most important first. */
  readonly reasons: readonly Reason[]
}

/** FNV-1a over the UTF-16 code units: cheap and spread; nothing secret rests on it. */
export function shardOf(name: Name, shardCount: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return ((hash ^ (hash >>> 15)) >>> 0) & (shardCount - 1)
}

/** About 1,024 endpoints to a shard: one changed endpoint then costs about as much in its shard as in the list of shards. */
export function shardCountFor(endpoints: number): number {
  let count = 1
  while (count * 1024 < endpoints && count < 2 ** 16) count *= 2
  return count
}

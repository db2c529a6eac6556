/** Publishing a plan: one commit, which happens whole or not at all, and only on top of the head that was read. */
import { assert } from '../base/assert.ts'
import { type Digest, digestOf, utf8 } from '../base/bytes.ts'
import type { Problem } from '../base/problem.ts'
import { type Head, keys } from '../model/keys.ts'
import type { PlanHead } from '../model/plan.ts'
import { type Compare, never, type Revision, type Store, type Write } from '../store/store.ts'

/** One commit holds at most this many shards: some ten million endpoints. */
export const newShardsMax = 9_900

export interface Publishable {
  readonly head: PlanHead
  readonly newShards: ReadonlyMap<Digest, string>
}

export type Publication =
  | { readonly kind: 'published'; readonly head: Head; readonly revision: Revision }
  /** Somebody else was faster, or withdrew what this plan rests on: read again, decide again. */
  | { readonly kind: 'lost'; readonly key: string }
  | { readonly kind: 'refused'; readonly problem: Problem }
  /** It may have been published: the next reading of the head tells. */
  | { readonly kind: 'unknown'; readonly reason: string }

/**
 * `read` is the revision of the head that the plan was made from; `also` what else must not have
 * changed meanwhile; `usedUp` the keys of instructions that this plan carries out.
 */
export async function publish(
  store: Store,
  plan: Publishable,
  read: Revision,
  also: readonly Compare[] = [],
  usedUp: readonly string[] = [],
): Promise<Publication> {
  const { generation } = plan.head
  const { size } = plan.newShards
  assert(size <= newShardsMax, `expected at most ${newShardsMax} new shards in one plan, found ${size}`)
  const document = keys.plan.encode(plan.head)
  const head: Head = { generation, digest: digestOf(document) }
  const writes: Write[] = []
  for (const [digest, text] of plan.newShards)
    writes.push({ kind: 'put', key: keys.shard.key(digest), value: utf8(text) })
  writes.push({ kind: 'put', key: keys.plan.key(generation), value: document })
  writes.push({ kind: 'put', key: keys.head.key(), value: keys.head.encode(head) })
  for (const key of usedUp) writes.push({ kind: 'delete', key })
  const commit = await store.commit(
    [{ key: keys.head.key(), revision: read }, { key: keys.plan.key(generation), revision: never }, ...also],
    writes,
  )
  switch (commit.kind) {
    case 'committed':
      return { kind: 'published', head, revision: commit.revision }
    case 'conflict':
      return { kind: 'lost', key: commit.failed.map(({ key }) => key).join(', ') }
    case 'refused':
      return commit
    case 'unknown':
      return commit
  }
}

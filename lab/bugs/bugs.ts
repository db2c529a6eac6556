/** Every planted bug, by the invariant that it must violate. */
import { addressByAddress } from './address-by-address.ts'
import { adoptEverything } from './adopt-everything.ts'
import { aliasesUnchecked } from './aliases-unchecked.ts'
import { answersKept } from './answers-kept.ts'
import { anyKeyMayUpdate } from './any-key-may-update.ts'
import { blockedIsOurs } from './blocked-is-ours.ts'
import type { Bug } from './bug.ts'
import { cachedReads } from './cached-reads.ts'
import { copyInMemory } from './copy-in-memory.ts'
import { copyInTwoParts } from './copy-in-two-parts.ts'
import { damageBlocks } from './damage-blocks.ts'
import { deleteThenCreate } from './delete-then-create.ts'
import { diskNotSynced } from './disk-not-synced.ts'
import { driftIgnored } from './drift-ignored.ts'
import { emptyBlocks } from './empty-blocks.ts'
import { enactedTooEarly } from './enacted-too-early.ts'
import { expiresWhenBlind } from './expires-when-blind.ts'
import { failOpenOff } from './fail-open-off.ts'
import { fenceAtTheStart } from './fence-at-the-start.ts'
import { fenceOff } from './fence-off.ts'
import { floorOff } from './floor-off.ts'
import { headOnce } from './head-once.ts'
import { keepsItsPlan } from './keeps-its-plan.ts'
import { leaseOff } from './lease-off.ts'
import { lockWithoutEnd } from './lock-without-end.ts'
import { mergeInsteadOfReplace } from './merge-instead-of-replace.ts'
import { missingIsDown } from './missing-is-down.ts'
import { missingIsUp } from './missing-is-up.ts'
import { noReadBack } from './no-read-back.ts'
import { outrunIgnored } from './outrun-ignored.ts'
import { ownerIgnored } from './owner-ignored.ts'
import { planReplaced } from './plan-replaced.ts'
import { publishUnconditionally } from './publish-unconditionally.ts'
import { readBackUnkept } from './read-back-unkept.ts'
import { repairsWithoutStore } from './repairs-without-store.ts'
import { staleIsFresh } from './stale-is-fresh.ts'
import { sweepByAge } from './sweep-by-age.ts'
import { sweepIgnoresPublished } from './sweep-ignores-published.ts'
import { sweepKeepsTooFew } from './sweep-keeps-too-few.ts'
import { sweepWithoutClaims } from './sweep-without-claims.ts'
import { toldBeforeKept } from './told-before-kept.ts'
import { tombstoneOff } from './tombstone-off.ts'
import { tornPublish } from './torn-publish.ts'
import { twoTransactions } from './two-transactions.ts'
import { unansweredIsDone } from './unanswered-is-done.ts'
import { unconditionalWrite } from './unconditional-write.ts'
import { valueOnlyCondition } from './value-only-condition.ts'
import { vanishedIsRetired } from './vanished-is-retired.ts'
import { velocityOff } from './velocity-off.ts'
import { waitsForQuiet } from './waits-for-quiet.ts'

export const bugs: readonly Bug[] = [
  fenceAtTheStart,
  fenceOff,
  publishUnconditionally,
  tombstoneOff,
  unconditionalWrite,
  valueOnlyCondition,
  aliasesUnchecked,
  deleteThenCreate,
  vanishedIsRetired,
  addressByAddress,
  mergeInsteadOfReplace,
  planReplaced,
  twoTransactions,
  sweepByAge,
  sweepIgnoresPublished,
  sweepKeepsTooFew,
  sweepWithoutClaims,
  tornPublish,
  failOpenOff,
  floorOff,
  velocityOff,
  adoptEverything,
  blockedIsOurs,
  ownerIgnored,
  enactedTooEarly,
  missingIsDown,
  missingIsUp,
  staleIsFresh,
  unansweredIsDone,
  cachedReads,
  damageBlocks,
  driftIgnored,
  emptyBlocks,
  headOnce,
  noReadBack,
  outrunIgnored,
  keepsItsPlan,
  lockWithoutEnd,
  waitsForQuiet,
  expiresWhenBlind,
  repairsWithoutStore,
  answersKept,
  anyKeyMayUpdate,
  copyInMemory,
  copyInTwoParts,
  diskNotSynced,
  leaseOff,
  readBackUnkept,
  toldBeforeKept,
]

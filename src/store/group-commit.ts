/**
 * One transaction at a time, for as many waiting commits as there are: while the disk is busy with one
 * transaction, the commits for the next one gather. Bounded in length and in time.
 */
import { type Problem, problem } from '../base/problem.ts'
import type { Commit } from './store.ts'
import type { CommitRequest } from './tree.ts'

/** What became of a transaction. */
export type Transacted =
  | { readonly kind: 'done'; readonly outcomes: readonly Commit[] }
  /** Certainly nothing was written. */
  | { readonly kind: 'nothing'; readonly problem: Problem }
  | { readonly kind: 'unknown'; readonly reason: string }

export interface GroupCommit {
  /** Rejects when the transaction throws: a bug. */
  commit(request: CommitRequest): Promise<Commit>
  /** Resolves when all commits have their outcome: true if no transaction is left running. */
  drain(): Promise<boolean>
}

/** Commits that wait for their transaction. */
const maxQueued = 10_000
/** A transaction takes this many waiting commits or this many bytes of values, whichever is less; at least one commit. */
const maxBatch = 256
const maxBatchBytes = 64 * 1024 * 1024

interface Waiting extends CommitRequest {
  readonly bytes: number
  readonly resolve: (outcome: Commit) => void
  readonly reject: (error: unknown) => void
}

/** `transact` makes one transaction of the requests and resolves when it is on disk. `onDone` is called after each. */
export function groupCommit(
  at: string,
  timeoutMs: number,
  transact: (batch: readonly CommitRequest[]) => Promise<Transacted>,
  onDone: () => void,
): GroupCommit {
  const queue: Waiting[] = []
  const pending = new Set<Promise<Commit>>()
  let running = false

  async function run(): Promise<void> {
    if (running) return
    running = true
    while (queue.length > 0) await settle(takeBatch(queue))
    running = false
  }

  async function settle(batch: readonly Waiting[]): Promise<void> {
    try {
      const result = await transact(batch)
      if (result.kind === 'done') {
        onDone()
        for (const [i, waiting] of batch.entries()) waiting.resolve(result.outcomes[i] as Commit)
      } else if (result.kind === 'nothing' && batch.length > 1) {
        // One of them may be too much, such as for a full disk: each gets its own answer.
        for (const waiting of batch) await settle([waiting])
      } else {
        const outcome: Commit =
          result.kind === 'nothing'
            ? { kind: 'refused', problem: result.problem }
            : { kind: 'unknown', reason: result.reason }
        for (const waiting of batch) waiting.resolve(outcome)
      }
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    }
  }

  /** Still queued: certainly not written. Otherwise nobody can say. */
  function late(waiting: Waiting): Commit {
    const place = queue.indexOf(waiting)
    if (place < 0) return { kind: 'unknown', reason: `${at}: not confirmed within ${timeoutMs} ms` }
    queue.splice(place, 1)
    return { kind: 'refused', problem: busy(at, `no turn within ${timeoutMs} ms`) }
  }

  return {
    commit(request) {
      if (queue.length >= maxQueued) {
        return Promise.resolve({ kind: 'refused', problem: busy(at, `${queue.length} commits waiting`) })
      }
      const { promise, resolve, reject } = Promise.withResolvers<Commit>()
      const waiting = { ...request, bytes: bytesOf(request), resolve, reject }
      const timer = setTimeout(() => resolve(late(waiting)), timeoutMs)
      const outcome = promise.finally(() => {
        clearTimeout(timer)
        pending.delete(outcome)
      })
      pending.add(outcome)
      queue.push(waiting)
      void run()
      return outcome
    },
    async drain() {
      await Promise.allSettled(pending)
      // The last outcome was given from inside the loop: let the loop end.
      await new Promise((resolve) => setImmediate(resolve))
      return !running
    },
  }
}

function takeBatch(queue: Waiting[]): Waiting[] {
  let size = 0
  let bytes = 0
  for (const waiting of queue) {
    bytes += waiting.bytes
    if (size > 0 && (size === maxBatch || bytes > maxBatchBytes)) break
    size++
  }
  return queue.splice(0, size)
}

/** Of the values that it writes; zero where all that is asked for is deletion, which may be what makes room. */
export const bytesOf = ({ writes }: Pick<CommitRequest, 'writes'>): number =>
  writes.reduce((sum, write) => sum + (write.kind === 'put' ? write.value.byteLength : 0), 0)

const busy = (at: string, found: string) =>
  problem(
    at,
    'commits to get their turn',
    found,
    'look for a stopped Holdfast process that holds the lock (end it), or for a disk that hangs',
  )

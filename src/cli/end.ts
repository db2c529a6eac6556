/**
 * How a process that holds the store open ends.
 *
 * Never by process.exit() alone: it waits for LMDB's write thread, which may be waiting, with the write
 * lock in its hand, for this thread to run the rest of a transaction. Both would wait for ever, and so
 * would every other process that wants to write. Being killed is safe: the lock is robust, and a
 * transaction that was not committed never was.
 */
import type { Store } from '../store/store.ts'

export function endNow(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal takes this process before the call above returns.
  throw new Error('expected to be gone, found this process alive')
}

const closeWithinMs = 1500

/** Closes the store first, so that the exit code can be told; where that takes too long, just ends. */
export function endAfterClosing(store: Store, code: number): void {
  setTimeout(endNow, closeWithinMs)
  void store.close().then(() => process.exit(code), endNow)
}

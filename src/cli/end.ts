/**
 * How a process that holds the store open ends: by a signal, whatever it is doing.
 *
 * Never by process.exit(): that waits for LMDB's write thread, which may be waiting, with the write lock
 * in its hand, for this thread to run the rest of a transaction. Both would wait for ever, and with them
 * every other process that wants to write. Being killed is safe: the lock is robust, and a transaction
 * that was not committed never was.
 */

/** Ends this process by `signal`, as if nobody handled it. */
export function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

export const endNow = (): void => endBy('SIGKILL')

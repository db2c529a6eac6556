/**
 * How a process that holds the store open ends: by a signal, whatever it is doing.
 *
 * Never by process.exit(): that waits for LMDB's write thread, which may be waiting, with the write lock
 * in its hand, for this thread to run the rest of a transaction. Both would wait for ever, and with them
 * every other process that wants to write. Being killed is safe: the lock is robust, and a transaction
 * that was not committed never was.
 */
import { writeSync } from 'node:fs'

/** Ends this process by `signal`, as if nobody handled it. */
export function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

export const endNow = (): void => endBy('SIGKILL')

/** For a command that holds the store: what nobody catches is told, and then does not end it by exit. Returns how to take that back. */
export function endOnUncaught(): () => void {
  const end = (error: unknown) => {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    try {
      writeSync(2, `bug in Holdfast; please report it\n${detail}\n`)
    } catch {
      // Nobody listens.
    }
    endNow()
  }
  process.on('uncaughtException', end)
  return () => void process.off('uncaughtException', end)
}

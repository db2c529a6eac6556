/**
 * Wakes whoever waits for the next commit. Commits of this process call `check` themselves; commits of
 * others are noticed by the kernel's notice of writes to the data file, and by looking once in a
 * while. Both are hints: a waiter reads the store again, and only what it reads counts.
 */
import { type FSWatcher, watch } from 'node:fs'

/** Looking costs some microseconds; with the kernel's notices it is only the safety net. */
const pollWithHints = 250
const pollWithoutHints = 10
/** The last write of a commit is seen a moment before the commit itself is: look again after this. */
const settleMs = 2

export interface Waker {
  /** Resolves when the revision is no longer `seen`, after `timeoutMs` at the latest, or when the waker stops. */
  wait(seen: number, timeoutMs: number): Promise<void>
  /** Looks now. */
  check(): void
  wakeAll(): void
  stop(): void
}

/** `revision` reads the store's newest revision; `dataFile` is watched; `pollMs` overrides how often to look. */
export function waker(revision: () => number, dataFile: string, pollMs?: number): Waker {
  const waiters = new Set<{ readonly seen: number; readonly wake: () => void }>()
  let poll: NodeJS.Timeout | undefined
  let settle: NodeJS.Timeout | undefined
  let again = false
  let period = pollMs ?? pollWithHints
  const withoutHints = () => {
    period = pollMs ?? pollWithoutHints
  }
  const onWrite = () => {
    if (settle !== undefined) again = true
    else if (waiters.size > 0 && !check()) lookAgain()
  }
  function lookAgain(): void {
    again = false
    settle = setTimeout(() => {
      settle = undefined
      if (!check() && again) lookAgain()
    }, settleMs)
    settle.unref()
  }
  const hints = watchFile(dataFile, onWrite, withoutHints)

  /** Undefined wakes everybody: the waiter's own read then meets the error, and can throw it to somebody. */
  function newest(): number | undefined {
    try {
      return revision()
    } catch {
      return undefined
    }
  }

  /** True when somebody was woken. */
  function check(): boolean {
    if (waiters.size === 0) return false
    const now = newest()
    let woken = false
    for (const waiter of waiters) {
      if (waiter.seen === now) continue
      woken = true
      waiter.wake()
    }
    return woken
  }

  function wakeAll(): void {
    for (const waiter of waiters) waiter.wake()
  }

  return {
    wait(seen, timeoutMs) {
      return new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer)
          waiters.delete(waiter)
          if (waiters.size === 0) {
            clearInterval(poll)
            poll = undefined
          }
          resolve()
        }
        const waiter = { seen, wake }
        const timer = setTimeout(wake, timeoutMs)
        waiters.add(waiter)
        poll ??= setInterval(check, period)
      })
    },
    check() {
      check()
    },
    wakeAll,
    stop() {
      clearTimeout(settle)
      hints?.close()
      wakeAll()
    },
  }
}

/** `onEnd`: the kernel gives no notices, or has no more of them to give. */
function watchFile(path: string, onWrite: () => void, onEnd: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, onWrite)
    watcher.on('error', () => {
      watcher.close()
      onEnd()
    })
    return watcher
  } catch {
    onEnd()
    return undefined
  }
}

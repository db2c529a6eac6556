/**
 * Documents on their way to the store: the newest of each key, one commit at a time. A store that
 * stalls holds up neither those who write nor more memory than one document per key.
 */
import type { World } from '../world/world.ts'
import type { Store, Write } from './store.ts'

/** Keys written in one commit. */
const batch = 500
const retryAtMostMs = 5_000

/** What is told of a store that does not take documents, once each time. */
export interface MailboxEvents {
  lost(reason: string, retryMs: number): void
  found(): void
}

export class Mailbox {
  readonly #world: World
  readonly #store: Store
  readonly #events: MailboxEvents
  readonly #waiting = new Map<string, Write>()
  #sending = false
  #failures = 0

  constructor(world: World, store: Store, events: MailboxEvents) {
    this.#world = world
    this.#store = store
    this.#events = events
  }

  /** Replaces what still waits for the same key. Blind: nobody else writes these keys. */
  put(key: string, value: Uint8Array): void {
    this.#accept({ kind: 'put', key, value })
  }

  delete(key: string): void {
    this.#accept({ kind: 'delete', key })
  }

  #accept(write: Write): void {
    this.#waiting.set(write.key, write)
    if (!this.#sending) {
      this.#sending = true
      void this.#send()
    }
  }

  async #send(): Promise<void> {
    while (this.#waiting.size > 0) {
      const writes = [...this.#waiting.values()].slice(0, batch)
      for (const { key } of writes) this.#waiting.delete(key)
      const trouble = await this.#commit(writes)
      if (trouble === undefined) {
        if (this.#failures > 0) this.#events.found()
        this.#failures = 0
        continue
      }
      for (const write of writes) if (!this.#waiting.has(write.key)) this.#waiting.set(write.key, write)
      const retryMs = Math.min(retryAtMostMs, 50 * 2 ** Math.min(this.#failures, 10)) + this.#world.random.below(50)
      if (this.#failures++ === 0) this.#events.lost(trouble, retryMs)
      await this.#world.clock.sleep(retryMs)
    }
    this.#sending = false
  }

  /** Undefined when it is done; these documents may be written twice, so an unknown outcome is one more try. */
  async #commit(writes: readonly Write[]): Promise<string | undefined> {
    const outcome = await this.#store.commit([], writes)
    switch (outcome.kind) {
      case 'committed':
        return undefined
      case 'refused':
        return `${outcome.problem.at}: ${outcome.problem.found}; ${outcome.problem.todo}`
      case 'unknown':
        return outcome.reason
      case 'conflict':
        return 'a conflict without a condition'
    }
  }
}

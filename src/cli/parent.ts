/** How a program that `run` runs speaks with the `up` that started it, if one did. */
import type { Problem } from '../base/problem.ts'
import type { Level } from '../telemetry/level.ts'
import type { Address } from '../world/world.ts'
import { endNow } from './end.ts'

export interface RunOptions {
  readonly id: string
  readonly http: Address | null
  readonly log: Level
  /** Where to keep a copy of the configuration that was good last; null: nowhere. */
  readonly lastGood: string | null
  /** Where a prober looks from; null: as the configuration says. */
  readonly site: string | null
  /** Where hosts report to a lease manager; null: as the configuration says. */
  readonly listen: Address | null
}

/** A role leaves when `up` is gone. The DNS server stays: nobody's death may take DNS away. */
export function followParent(role: string): void {
  if (process.send === undefined) return
  if (role === 'server') {
    process.on('disconnect', () => {})
    process.channel?.unref()
  } else if (process.connected) process.on('disconnect', endNow)
  else endNow()
}

type Message = { readonly ready: true; readonly http: string | null } | { readonly problem: Problem }

export function tellParent(message: Message): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

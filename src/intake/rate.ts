/** How much of something is let in: a bucket that fills at a steady rate. Pure. */
import type { Instant } from '../world/world.ts'

export interface Rate {
  /** Each second. */
  readonly refill: number
  readonly burst: number
}

export interface Bucket {
  readonly level: number
  readonly at: Instant
}

export const full = ({ burst }: Rate, now: Instant): Bucket => ({ level: burst, at: now })

/** `waitMs` above 0: not now, but after that time. Nothing is then taken. What costs more than a full bucket takes a full one. */
export function take(
  rate: Rate,
  { level, at }: Bucket,
  cost: number,
  now: Instant,
): { readonly bucket: Bucket; readonly waitMs: number } {
  const filled = Math.min(rate.burst, level + (Math.max(0, now - at) / 1_000) * rate.refill)
  const taken = Math.min(cost, rate.burst)
  if (filled >= taken) return { bucket: { level: filled - taken, at: now }, waitMs: 0 }
  return { bucket: { level: filled, at: now }, waitMs: Math.ceil(((taken - filled) / rate.refill) * 1_000) }
}

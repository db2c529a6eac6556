/**
 * Streams of pseudo-random numbers, each grown from a seed and a label, so that drawing more from one
 * never shifts another: a new fault must not change what the planner draws.
 * The generator is sfc32 (Doty-Humphrey, PractRand), 128 bits of state.
 */
import type { Random } from '../../src/world/world.ts'

/** So many out of so many: exact where a floating-point probability would not be. */
export interface Ratio {
  readonly of: number
  readonly in: number
}

export interface Stream extends Random {
  /** A whole number, `from` <= n <= `to`. */
  between(from: number, to: number): number
  chance(ratio: Ratio): boolean
  pick<T>(list: readonly T[]): T
  /** In place. */
  shuffle<T>(list: T[]): T[]
}

export function stream(seed: number, label: string): Stream {
  let [a, b, c, d] = [mix(seed, label, 1), mix(seed, label, 2), mix(seed, label, 3), 1]
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) next()

  const below = (bound: number) => Math.floor((next() / 2 ** 32) * bound)
  return {
    below,
    between: (from, to) => from + below(to - from + 1),
    chance: (ratio) => below(ratio.in) < ratio.of,
    pick: <T>(list: readonly T[]) => list[below(list.length)] as T,
    shuffle(list) {
      for (let i = list.length - 1; i > 0; i--) {
        const j = below(i + 1)
        const kept = list[i] as (typeof list)[number]
        list[i] = list[j] as (typeof list)[number]
        list[j] = kept
      }
      return list
    },
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i++) bytes[i] = next() & 0xff
      return bytes
    },
  }
}

/** FNV-1a over the label, the seed and a salt, finished as in MurmurHash3. */
function mix(seed: number, label: string, salt: number): number {
  let hash = 0x811c9dc5 ^ salt
  for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (seed >>> 0), 0x01000193)
  hash = Math.imul(hash ^ Math.floor(seed / 2 ** 32), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

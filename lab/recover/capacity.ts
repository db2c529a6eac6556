/** What becomes of the dependency while a fleet returns: a share of its capacity over time, and how it fails. */

export type Weather = 'up' | 'hang' | 'down'

export interface Capacity {
  readonly name: string
  readonly told: string
  /** Share of full capacity at a time in seconds; 0 while it hangs or is down. */
  readonly share: (seconds: number) => number
  readonly weather: (seconds: number) => Weather
}

const fine = (): Weather => 'up'

/** `down`: refuses at once. `hang`: takes everything and answers nothing, and goes on where it was. */
function away(name: string, told: string, how: Weather, spans: readonly (readonly [number, number])[]): Capacity {
  const isAway = (t: number) => spans.some(([from, to]) => t >= from && t < to)
  return { name, told, share: (t) => (isAway(t) ? 0 : 1), weather: (t) => (isAway(t) ? how : 'up') }
}

export const capacities = {
  steady: { name: 'steady', told: 'all of it, all the time', share: () => 1, weather: fine },
  cold: {
    name: 'cold',
    told: 'from 10 % to all of it in 60 s',
    share: (t) => Math.min(1, 0.1 + (0.9 * t) / 60),
    weather: fine,
  },
  dip: { name: 'dip', told: '30 % from 20 s to 50 s', share: (t) => (t >= 20 && t < 50 ? 0.3 : 1), weather: fine },
  flap: {
    name: 'flap',
    told: 'all of it and 15 %, 15 s each',
    share: (t) => (Math.floor(t / 15) % 2 === 0 ? 1 : 0.15),
    weather: fine,
  },
  half: { name: 'half', told: 'half of it, all the time', share: () => 0.5, weather: fine },
  hang: away('hang', 'no answer from 20 s to 40 s', 'hang', [[20, 40]]),
  'down-up-down': away('down-up-down', 'refuses from 15 s to 35 s and from 50 s to 70 s', 'down', [
    [15, 35],
    [50, 70],
  ]),
} as const satisfies Record<string, Capacity>

export type CapacityName = keyof typeof capacities

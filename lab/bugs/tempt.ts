/**
 * Stories that give a bug its chance. Most bugs are found by any story; some need two things to meet,
 * and are looked for where those are frequent. The seed still decides everything else.
 */
import { fitting, type Happening, type Shape, type Story } from '../story.ts'

type What = Happening extends infer H ? (H extends Happening ? Omit<H, 'at'> : never) : never

/** The story with other dimensions, and with more happening in it. */
export function tempted(story: Story, shape: Partial<Shape>, more: readonly Happening[]): Story {
  const happenings = [...story.happenings, ...more].filter(({ at }) => at < story.troubleMs).sort((a, b) => a.at - b.at)
  const whole = { ...story.shape, ...shape }
  return { ...story, shape: whole, happenings: fitting(whole, happenings) }
}

/** Without what blurs the picture. */
export function without(story: Story, ...kinds: readonly Happening['kind'][]): Story {
  return { ...story, happenings: story.happenings.filter(({ kind }) => !kinds.includes(kind)) }
}

/** The same again and again, from one time to another. */
export function every(ms: number, from: number, to: number, what: What): readonly Happening[] {
  const all: Happening[] = []
  for (let at = from; at < to; at += ms) all.push({ at, ...what } as Happening)
  return all
}

export const once = (at: number, what: What): Happening => ({ at, ...what }) as Happening

/** Requests that take up to two seconds, so that much happens before a write arrives. */
export const slowAuthority = (zone: number): What => ({
  kind: 'authority-weather',
  zone,
  lost: 0,
  lies: 0,
  servfail: 0,
  throttled: 0,
  delayMs: 1_900,
  forMs: 5_000,
})

/** Plan after plan, and writes that arrive when others have been published long since. */
export const lateWrites = (story: Story): Story =>
  tempted(story, { enactors: 3, planners: 1, coalesceMs: 0 }, [
    ...every(5_000, 2_500, 60_000, slowAuthority(0)),
    ...every(5_000, 2_500, 60_000, slowAuthority(1)),
    ...every(600, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
  ])

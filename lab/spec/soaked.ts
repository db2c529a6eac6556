/**
 * A story of the soak, watched: everything that planners, enactors, sweeps and hands do to the store and
 * to the authorities has to be a step of the model, in the order in which it took effect.
 *
 * A reading counts as made when its answer came, and what it tells has to have been so at some instant
 * while it was under way: nothing that the program did in between can have come of it, so the same trace
 * with the reading at that instant is one of the model as well.
 */
import { happen, heal } from '../happen.ts'
import { Region } from '../region.ts'
import { placeRival } from '../rival.ts'
import { Kernel, ms } from '../sim/kernel.ts'
import type { Story } from '../story.ts'
import type { Spec } from './spec.ts'
import { Over, type Watched, Witness } from './witness.ts'

export interface WatchOptions {
  readonly plant?: (region: Region) => void
  /** After the troubles everything is healed, and plans go on for this long. */
  readonly calmMs: number
}

export async function watch(spec: Spec, story: Story, { plant, calmMs }: WatchOptions): Promise<Watched> {
  const kernel = new Kernel({ seed: story.seed })
  const region = new Region(kernel, story.shape)
  plant?.(region)
  const witness = new Witness(spec, region)
  const theirs = story.shape.foreign ? [...region.policy.endpoints.keys()].at(-1) : undefined
  if (theirs !== undefined) placeRival(region, theirs, story.seed % 2 === 0 ? null : 1)
  witness.look()
  for (const happening of story.happenings) kernel.after(ms(happening.at), null, () => happen(region, happening))
  region.startAll()
  try {
    await kernel.run(ms(story.troubleMs))
    heal(region)
    await kernel.run(ms(story.troubleMs + calmMs))
  } catch (error) {
    if (!(error instanceof Over)) throw error
  }
  return witness.report()
}

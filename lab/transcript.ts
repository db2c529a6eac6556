/** A run told line by line, for people. */
import type { Bug } from './bugs/bug.ts'
import { runWith } from './hunt.ts'
import { type Outcome, runStory } from './run.ts'
import type { Story } from './story.ts'
import { tell as tellHappening } from './story.ts'

export interface TranscriptOptions {
  /** Leave out what goes on all the time: rounds of checks, claims, progress. */
  readonly notable?: boolean
  readonly bug?: Bug
}

/** Goes on all the time and says little. */
const usual =
  /^ *[\d.]+ s {2}\S+ +(?:commits (?:claim\/\S+|progress\/\S+|policy| )+$|health\.(?:probed|started|policy_changed|store_found)|plan\.(?:pool_weighed|policy_taken|held)|enact\.(?:claimed|passed|completed|store_found|authority_found))/

export async function tellStory(
  story: Story,
  say: (line: string) => void,
  { notable = false, bug }: TranscriptOptions = {},
): Promise<Outcome> {
  const tell = (line: string) => {
    if (!notable || !usual.test(line)) say(line)
  }
  return await (bug === undefined ? runStory(story, { tell }) : runWith(bug, story, tell))
}

export async function transcript(story: Story, options: TranscriptOptions = {}): Promise<string> {
  const lines = headOf(story)
  const { violation } = await tellStory(story, (line) => lines.push(line), options)
  if (violation !== null)
    lines.push(
      `${(violation.atMs / 1000).toFixed(6).padStart(12)} s  VIOLATION of ${violation.invariant}: ${violation.text}`,
    )
  return lines.join('\n')
}

/** What the region is, and what is going to happen to it. */
export function headOf({ seed, shape, happenings, troubleMs }: Story): string[] {
  const { planners, enactors, probers, pools, zones, ...rest } = shape
  const more = Object.entries(rest)
    .filter(([, value]) => value !== false && value !== 0)
    .map(([key, value]) => (value === true ? key : `${key} ${value}`))
  return [
    `seed ${seed}: ${planners} planners, ${enactors} enactors, ${probers} probers, ${zones} zones, pools of ${pools.join(' and ')} targets; ${more.join(', ')}`,
    `trouble for ${troubleMs / 1000} s:`,
    ...happenings.map(tellHappening),
    '',
  ]
}

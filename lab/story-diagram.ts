/** A story as a space-time diagram: meant for minimal ones, which have few lanes and few things to tell. */
import type { Invariant } from './checks/check.ts'
import { type Diagram, drawDiagram, type Mark, type Span } from './diagram.ts'
import type { Region } from './region.ts'
import { regionDiagram, watchRegion } from './region-diagram.ts'
import { type Outcome, runStory } from './run.ts'
import { Chronicle } from './scenarios/chronicle.ts'
import type { Happening, Story } from './story.ts'

export interface StoryDiagramOptions {
  readonly title: string
  /** A planted bug that the story is told with. */
  readonly plant?: (region: Region) => void
  readonly only?: Invariant
}

/** Happenings told; more than this nobody reads. */
const toldMost = 12

/** Runs the story once more, and draws it up to its violation, or to its end. */
export async function storyPicture(
  story: Story,
  { title, plant, only }: StoryDiagramOptions,
): Promise<{ readonly svg: string; readonly outcome: Outcome }> {
  let watched: Region | undefined
  const chronicle = new Chronicle(
    () => (watched?.kernel.now ?? 0) / 1000,
    () => {},
  )
  const outcome = await runStory(story, {
    ...(only === undefined ? {} : { only }),
    sabotage: (region) => {
      watched = region
      plant?.(region)
      // At time 0, before anybody starts, the run's own observers are in place.
      region.kernel.arrive(0, null, () => watchRegion(region, chronicle))
    },
  })
  chronicle.endAll()
  return { svg: drawDiagram(diagramOf(story, outcome, chronicle, title)), outcome }
}

function diagramOf({ shape, happenings }: Story, outcome: Outcome, chronicle: Chronicle, title: string): Diagram {
  const to = outcome.violation?.atMs ?? outcome.simulatedMs
  const happened = happenings.filter(({ at }) => at <= to)
  const violation = outcome.violation && `${outcome.violation.invariant}: ${outcome.violation.text}`
  const names = [...new Set(chronicle.messages.map((message) => message.to))]
  const blamed = names.find((name) => violation?.includes(name)) ?? names[0] ?? 'planner-1'
  const laneOf = (happening: Happening): string => {
    if ('process' in happening) return happening.process
    return chronicle.spans.find(({ lane, from }) => from === happening.at && names.includes(lane))?.lane ?? 'planner-1'
  }
  const marks = happened
    .slice(-toldMost)
    .map((one): Mark => ({ lane: laneOf(one), at: one.at, tone: 'note', text: inWords(one) }))
  if (violation !== null) marks.push({ lane: blamed, at: to, tone: 'bad', text: violation })
  return regionDiagram(chronicle, {
    title,
    description: `${happened.length} happenings, then ${violation ?? 'nothing violated'}.`,
    shape,
    to,
    about: violation ?? '',
    spans: happened.flatMap((one) => absence(one, to)),
    marks,
  })
}

function absence(happening: Happening, to: number): readonly Span[] {
  if (happening.kind !== 'pause' && happening.kind !== 'crash') return []
  const { process: lane, at: from, forMs } = happening
  return [{ lane, from, to: Math.min(to, from + forMs), tone: happening.kind === 'pause' ? 'held' : 'down' }]
}

/** Such as `crash enactor-1, for 3.2 s`. */
function inWords({ at: _, kind, ...rest }: Happening): string {
  const fields = Object.entries(rest).map(([key, value]) => {
    if (key === 'forMs') return `for ${Number(value) / 1000} s`
    if (key === 'name') return ''
    return key === 'what' || key === 'process' ? String(value) : `${key} ${value}`
  })
  return `${kind} ${fields.filter((field) => field !== '').join(', ')}`
}

/** A story as a space-time diagram: meant for minimal ones, which have few lanes and few things to tell. */
import type { Name } from '../src/model/name.ts'
import type { TraceEvent } from '../src/world/world.ts'
import { generationAt, type Invariant } from './checks/check.ts'
import { type Diagram, drawDiagram, type Lane } from './diagram.ts'
import type { Region } from './region.ts'
import { type Outcome, runStory } from './run.ts'
import { Chronicle } from './scenarios/chronicle.ts'
import type { Standing } from './sim/authority.ts'
import type { Process } from './sim/kernel.ts'
import { type Happening, processIds, type Story } from './story.ts'

export interface StoryDiagramOptions {
  readonly title: string
  /** A planted bug that the story is told with. */
  readonly plant?: (region: Region) => void
  readonly only?: Invariant
}

/** Names shown, and things told: more than this nobody reads. */
const namesMost = 3
const toldMost = 12
/** A stretch without anything to show is left out if it is longer than this. */
const quietMs = 20_000

/** Runs the story once more, and draws it up to its violation, or to its end. */
export async function drawStory(
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
      // At time 0, before anybody starts, the run's own observers are in place: these look past them.
      region.kernel.arrive(0, null, () => watch(region, chronicle))
    },
  })
  chronicle.endAll()
  return { svg: drawDiagram(diagramOf(story, outcome, chronicle, title)), outcome }
}

function watch(region: Region, chronicle: Chronicle): void {
  const told = region.listener
  region.listener = (process, event) => {
    told(process, event)
    traced(chronicle, process, event)
  }
  for (const authority of region.authorities) {
    const changed = authority.onChange
    authority.onChange = (name, before, after, by) => {
      published(chronicle, name, after, by)
      changed(name, before, after, by)
    }
  }
}

function traced(chronicle: Chronicle, { id }: Process, event: TraceEvent): void {
  if (event.event === 'plan.published') chronicle.tick(id, 'plan', Number(event.generation))
  if (event.event === 'enact.claimed') {
    const plan = Number(event.generation)
    chronicle.begin('run', { lane: id, tone: 'plan', plan, text: String(plan) })
  }
  if (event.event === 'enact.conflicted') chronicle.message(id, String(event.name), 'refused')
}

function published(chronicle: Chronicle, name: Name, after: Standing, by: string): void {
  const plan = generationAt(after)
  const isEmpty = after.addresses.length === 0 && after.alias === null
  if (by !== 'hand') chronicle.message(by, name, isEmpty ? 'delete' : 'write', plan ?? 0)
  chronicle.begin('answer', {
    lane: name,
    tone: isEmpty ? 'empty' : 'plan',
    plan: plan ?? 0,
    text: isEmpty ? 'no address' : String(plan ?? '?'),
  })
}

function diagramOf(story: Story, outcome: Outcome, chronicle: Chronicle, title: string): Diagram {
  const { shape } = story
  const to = outcome.violation?.atMs ?? outcome.simulatedMs
  const happened = story.happenings.filter(({ at }) => at <= to)
  const ids = [...processIds('planner', shape.planners), ...processIds('enactor', shape.enactors)]
  const involved = new Set(happened.flatMap((one) => ('process' in one ? [one.process] : [])))
  const probers = processIds('prober', shape.probers).filter((id) => involved.has(id))
  const names = namesShown(outcome, chronicle)
  const lanes: Lane[] = [
    ...probers.map((id): Lane => ({ id, label: id, kind: 'process' })),
    ...ids.map((id): Lane => ({ id, label: id, kind: 'process' })),
    ...names.map((name): Lane => {
      const dot = name.indexOf('.')
      return { id: name, label: name.slice(0, dot), note: name.slice(dot + 1), kind: 'band' }
    }),
  ]
  const shown = new Set(lanes.map(({ id }) => id))
  const marks = chronicle.marks.filter(({ lane }) => shown.has(lane))
  const messages = chronicle.messages.filter((message) => shown.has(message.from) && shown.has(message.to))
  // What is the case at the end has to be seen.
  const end = to + Math.max(500, to * 0.04)
  const lasting = <T extends { readonly to: number }>(span: T): T => (span.to >= to ? { ...span, to: end } : span)
  const laneOf = (happening: Happening): string => {
    if ('process' in happening && shown.has(happening.process)) return happening.process
    const touched = chronicle.spans.find(({ lane, from }) => from === happening.at && names.includes(lane))
    return touched?.lane ?? (ids[0] as string)
  }
  const violation = outcome.violation && `${outcome.violation.invariant}: ${outcome.violation.text}`
  return {
    title,
    description: `${happened.length} happenings, then ${violation ?? 'nothing violated'}.`,
    from: 0,
    to: end,
    ...cutOf([...happened.map(endOf), ...marks.map(({ at }) => at), ...messages.map(({ arrives }) => arrives)], to),
    lanes,
    spans: [
      ...chronicle.spans.filter(({ lane }) => shown.has(lane)).map(lasting),
      ...happened.flatMap((one) =>
        (one.kind === 'pause' || one.kind === 'crash') && shown.has(one.process)
          ? [
              {
                lane: one.process,
                from: one.at,
                to: Math.min(to, one.at + one.forMs),
                tone: one.kind === 'pause' ? 'held' : 'down',
              } as const,
            ]
          : [],
      ),
    ],
    messages,
    marks: [
      ...marks,
      ...happened
        .slice(-toldMost)
        .map((one) => ({ lane: laneOf(one), at: one.at, tone: 'note', text: inWords(one) }) as const),
      ...(violation === null
        ? []
        : [{ lane: names[0] ?? (ids[0] as string), at: to, tone: 'bad', text: violation } as const]),
    ],
  }
}

const endOf = (happening: Happening): number => happening.at + ('forMs' in happening ? happening.forMs : 0)

/** Leaves out the wait for a repair that never came. */
function cutOf(times: readonly number[], to: number): Pick<Diagram, 'cut'> {
  const last = Math.max(0, ...times.filter((at) => at < to - 1_000))
  if (to - last < quietMs) return {}
  return { cut: { from: last + 2_000, to: to - 2_000, text: `${Math.round((to - last - 4_000) / 1000)} s later` } }
}

/** Those that the violation names, then those that changed most. */
function namesShown({ violation }: Outcome, { messages }: Chronicle): readonly string[] {
  const changes = new Map<string, number>()
  for (const { to } of messages) changes.set(to, (changes.get(to) ?? 0) + 1)
  const named = (name: string) => (violation?.text.includes(name) ? 1 : 0)
  return [...changes.keys()]
    .sort((a, b) => named(b) - named(a) || (changes.get(b) ?? 0) - (changes.get(a) ?? 0) || (a < b ? -1 : 1))
    .slice(0, namesMost)
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

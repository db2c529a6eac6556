/** A region as a space-time diagram: which plan each enactor works from, what stands at the names, who was away. */
import type { TraceEvent } from '../src/world/world.ts'
import { generationAt } from './checks/check.ts'
import type { Diagram, Lane, Mark, Span } from './diagram.ts'
import type { Region } from './region.ts'
import type { Chronicle } from './scenarios/chronicle.ts'
import type { Process } from './sim/kernel.ts'
import { processIds, type Shape } from './story.ts'

export interface RegionPicture {
  readonly title: string
  readonly description: string
  readonly shape: Shape
  /** The end, in milliseconds. */
  readonly to: number
  /** Names that this mentions are shown before others. */
  readonly about: string
  readonly spans: readonly Span[]
  readonly marks: readonly Mark[]
}

const namesMost = 3
/** A stretch without anything to show is left out if it is longer than this. */
const quietMs = 20_000
/** Left of such a stretch at either side. */
const edgeMs = 2_000

/** Looks past whoever listens already; to be called when they do. */
export function watchRegion(region: Region, chronicle: Chronicle): void {
  const told = region.listener
  region.listener = (process, event) => {
    told(process, event)
    traced(chronicle, process, event)
  }
  for (const authority of region.authorities) {
    const changed = authority.onChange
    authority.onChange = (name, before, after, by, sent) => {
      const plan = generationAt(after) ?? 0
      const isEmpty = after.addresses.length === 0 && after.alias === null
      if (by !== 'hand') chronicle.message(by, name, isEmpty ? 'delete' : 'write', plan)
      const text = isEmpty ? 'no address' : String(plan === 0 ? '?' : plan)
      chronicle.begin('answer', { lane: name, tone: isEmpty ? 'empty' : 'plan', plan, text })
      changed(name, before, after, by, sent)
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

export function regionDiagram(chronicle: Chronicle, picture: RegionPicture): Diagram {
  const { title, description, shape, to, about } = picture
  const names = namesShown(chronicle, about)
  const probers = processIds('prober', shape.probers).filter((id) =>
    [...picture.spans, ...picture.marks].some(({ lane }) => lane === id),
  )
  const ids = [...probers, ...processIds('planner', shape.planners), ...processIds('enactor', shape.enactors)]
  const lanes: Lane[] = [
    ...ids.map((id): Lane => ({ id, label: id, kind: 'process' })),
    ...names.map((name): Lane => {
      const dot = name.indexOf('.')
      return { id: name, label: name.slice(0, dot), note: name.slice(dot + 1), kind: 'band' }
    }),
  ]
  const shown = new Set(lanes.map(({ id }) => id))
  const isShown = ({ lane }: { readonly lane: string }) => shown.has(lane)
  const marks = [...chronicle.marks, ...picture.marks].filter(isShown)
  const messages = chronicle.messages.filter((message) => shown.has(message.from) && shown.has(message.to))
  const spans = [...chronicle.spans, ...picture.spans].filter(isShown)
  const moments = [...marks.map(({ at }) => at), ...messages.map(({ arrives }) => arrives)]
  const edges = spans.flatMap((span) => [span.from, span.to]).filter((at) => at < to)
  const cut = cutOf([0, ...moments, ...edges, to])
  // What is the case at the end has to be seen.
  const end = to + Math.max(500, 0.04 * (to - (cut === undefined ? 0 : cut.to - cut.from)))
  return {
    title,
    description,
    from: 0,
    to: end,
    ...(cut === undefined ? {} : { cut }),
    lanes,
    spans: spans.map((span) => (span.to >= to ? { ...span, to: end } : span)),
    messages,
    marks,
  }
}

/** Those that `about` mentions, then those that changed most. */
function namesShown({ messages }: Chronicle, about: string): readonly string[] {
  const changes = new Map<string, number>()
  for (const { to } of messages) changes.set(to, (changes.get(to) ?? 0) + 1)
  const mentioned = (name: string) => (about.includes(name) ? 1 : 0)
  return [...changes.keys()]
    .sort((a, b) => mentioned(b) - mentioned(a) || (changes.get(b) ?? 0) - (changes.get(a) ?? 0) || (a < b ? -1 : 1))
    .slice(0, namesMost)
}

/** Leaves out the longest stretch in which nothing happens, such as the wait for a repair that never came. */
function cutOf(times: readonly number[]): Diagram['cut'] {
  const sorted = [...times].sort((a, b) => a - b)
  let longest = { from: 0, to: 0 }
  for (let i = 1; i < sorted.length; i++) {
    const [from, to] = [sorted[i - 1] as number, sorted[i] as number]
    if (to - from > longest.to - longest.from) longest = { from, to }
  }
  if (longest.to - longest.from < quietMs) return undefined
  const [from, to] = [longest.from + edgeMs, longest.to - edgeMs]
  return { from, to, text: `${inWords(to - from)} later` }
}

function inWords(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

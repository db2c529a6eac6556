/**
 * Space-time diagrams as SVG: time runs to the right, every process has a lane, and what is told about
 * a moment stands below under the moment's number. Knows nothing of what the lanes mean, so scenarios
 * and minimal stories of the soak are drawn alike. Follows the reader's light or dark mode.
 */
import { assert } from '../src/base/assert.ts'
import { escapeText, style, wrap } from './diagram-style.ts'

export interface Lane {
  readonly id: string
  readonly label: string
  /** A few words below the label. */
  readonly note?: string
  /** `band`: drawn high, for what everybody looks at; `ticks`: only marks of single moments. */
  readonly kind: 'process' | 'band' | 'ticks'
}

/** Something that lasts. */
export interface Span {
  readonly lane: string
  readonly from: number
  readonly to: number
  readonly tone: 'plan' | 'held' | 'down' | 'empty'
  /** Gives the colour of a `plan`. */
  readonly plan?: number
  /** Written into it where there is room. */
  readonly text?: string
}

/** Something that goes from one lane to another. */
export interface Message {
  readonly from: string
  readonly at: number
  readonly to: string
  readonly arrives: number
  readonly tone: 'write' | 'refused' | 'delete'
  readonly plan?: number
}

/** A moment; one with a text gets a number, and is explained below. */
export interface Mark {
  readonly lane: string
  readonly at: number
  readonly tone: 'note' | 'good' | 'bad' | 'plan'
  readonly plan?: number
  readonly text?: string
}

/** Times are milliseconds from the start of the run. */
export interface Diagram {
  readonly title: string
  /** For those who cannot see it: what it shows, in a few sentences. */
  readonly description: string
  readonly from: number
  readonly to: number
  /** A stretch that is left out, and how it is called. */
  readonly cut?: { readonly from: number; readonly to: number; readonly text: string }
  readonly lanes: readonly Lane[]
  readonly spans: readonly Span[]
  readonly messages: readonly Message[]
  readonly marks: readonly Mark[]
  /** The plan that the story is about: it gets a colour of its own. */
  readonly accent?: number
}

const width = 1080
const left = 132
const right = width - 28
const top = 84
const heights = { process: 46, band: 50, ticks: 34 } as const
const cutWidth = 92
/** Shades of plans, from old to new. */
const shades = 8

export function drawDiagram(diagram: Diagram): string {
  const rows = rowsOf(diagram)
  const x = scaleOf(diagram)
  const shade = shadesOf(diagram)
  const bottom = rows.bottom
  const gap = diagram.cut === undefined ? null : x(diagram.cut.from) + cutWidth / 2
  const told = diagram.marks.filter(({ text }) => text !== undefined).sort((a, b) => a.at - b.at)
  const notes = legend(told, bottom + 44)
  const height = Math.ceil(notes.bottom + 22)
  const parts = [
    `<rect class="paper" width="${width}" height="${height}" rx="10"/>`,
    `<text class="title" x="24" y="38">${escapeText(diagram.title)}</text>`,
    key(diagram),
    axis(diagram, x, bottom),
    ...diagram.lanes.map((lane) => drawLane(lane, rows.of(lane.id))),
    ...inLayers(diagram.spans).map((span) => drawSpan(span, rows.of(span.lane), x, shade)),
    ...diagram.spans.map((span) => drawSpanText(span, rows.of(span.lane), x, shade, gap)),
    ...diagram.messages.map((message) => drawMessage(message, rows, x, shade)),
    ...diagram.marks
      .filter(({ text }) => text === undefined)
      .map((mark) => drawTick(mark, rows.of(mark.lane), x, shade)),
    ...numbered(told, rows, x),
    ...(diagram.cut === undefined ? [] : [drawCut(diagram.cut, x, bottom)]),
    ...notes.parts,
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title text">`,
    `<title id="title">${escapeText(diagram.title)}</title>`,
    `<desc id="text">${escapeText(diagram.description)}</desc>`,
    style(shades),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

interface Row {
  readonly lane: Lane
  readonly top: number
  readonly height: number
  readonly middle: number
}

interface Rows {
  readonly bottom: number
  of(lane: string): Row
}

function rowsOf({ lanes }: Diagram): Rows {
  const rows = new Map<string, Row>()
  let at = top
  for (const lane of lanes) {
    const height = heights[lane.kind]
    rows.set(lane.id, { lane, top: at, height, middle: at + height / 2 })
    at += height
  }
  return {
    bottom: at,
    of(id) {
      const row = rows.get(id)
      assert(row !== undefined, `expected a lane of the diagram, found ${id}`)
      return row
    },
  }
}

type Scale = (at: number) => number

/** Linear, save for a stretch left out, which takes a fixed width. */
function scaleOf({ from, to, cut }: Diagram): Scale {
  assert(from < to, `expected a time span, found ${from} to ${to}`)
  const skipped = cut === undefined ? 0 : cut.to - cut.from
  const perMs = (right - left - (cut === undefined ? 0 : cutWidth)) / (to - from - skipped)
  return (at) => {
    const time = Math.min(to, Math.max(from, at))
    if (cut === undefined || time <= cut.from) return left + (time - from) * perMs
    const before = left + (cut.from - from) * perMs
    if (time < cut.to) return before + cutWidth / 2
    return before + cutWidth + (time - cut.to) * perMs
  }
}

type Shade = (plan: number | undefined) => string

function shadesOf({ spans, messages, marks, accent }: Diagram): Shade {
  const plans = new Set([...spans, ...messages, ...marks].flatMap(({ plan }) => (plan === undefined ? [] : [plan])))
  const ranked = [...plans].sort((a, b) => a - b)
  return (plan) => {
    if (plan === undefined) return 'none'
    if (plan === accent) return 'hero'
    const rank = ranked.indexOf(plan) / Math.max(1, ranked.length - 1)
    return `p${Math.min(shades - 1, Math.floor(rank * shades))}`
  }
}

const n = (value: number): string => String(Math.round(value * 10) / 10)

/** Between two labels, at least. */
const tickWidth = 64

function axis(diagram: Diagram, x: Scale, bottom: number): string {
  const { from, to, cut } = diagram
  const perMs = (x(cut?.from ?? to) - x(from)) / ((cut?.from ?? to) - from)
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600]
  const step = 1000 * (steps.find((seconds) => seconds * 1000 * perMs >= tickWidth) ?? 7200)
  const parts: string[] = []
  const ticks = (start: number, end: number) => {
    for (let at = Math.ceil(start / step) * step; at <= end; at += step) {
      if (cut !== undefined && Math.abs(x(at) - x(cut.from) - cutWidth / 2) < tickWidth) continue
      parts.push(`<path class="grid" d="M${n(x(at))} ${top - 8}V${bottom}"/>`)
      parts.push(`<text class="tick" x="${n(x(at))}" y="${top - 14}">${clockText(at, step < 1000)}</text>`)
    }
  }
  ticks(from, cut?.from ?? to)
  // After a short remainder, the end says enough.
  if (cut !== undefined && (to - cut.to) * perMs > 2 * tickWidth) ticks(cut.to, to)
  return parts.join('')
}

/** `0:24`, `1:00:24`; with tenths where the scale is that fine. */
export function clockText(ms: number, fine = false): string {
  const tenths = Math.round(ms / 100)
  const seconds = fine ? Math.floor(tenths / 10) : Math.round(ms / 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const tail = fine ? `.${tenths % 10}` : ''
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}${tail}` : `${minutes}:${two(seconds % 60)}${tail}`
}

function drawLane({ label, note, kind }: Lane, { middle }: Row): string {
  const up = note === undefined ? 5 : -2
  const parts = [`<text class="lane" x="24" y="${n(middle + up)}">${escapeText(label)}</text>`]
  if (note !== undefined) parts.push(`<text class="soft" x="24" y="${n(middle + 14)}">${escapeText(note)}</text>`)
  if (kind !== 'band') parts.push(`<path class="line" d="M${left} ${n(middle)}H${right}"/>`)
  return parts.join('')
}

/** What held a process up lies over what it was doing. */
const layer = { plan: 0, down: 1, empty: 1, held: 2 } as const
const inLayers = (spans: readonly Span[]) => [...spans].sort((a, b) => layer[a.tone] - layer[b.tone])

function drawSpan(span: Span, { lane, middle, height }: Row, x: Scale, shade: Shade): string {
  const [from, to] = [x(span.from), x(span.to)]
  const high = lane.kind === 'band' ? height - 16 : 20
  const wide = Math.max(1.5, to - from)
  const tone = span.tone === 'plan' ? shade(span.plan) : span.tone
  const round = Math.min(3, wide / 2)
  const box = `x="${n(from)}" y="${n(middle - high / 2)}" width="${n(wide)}" height="${n(high)}" rx="${n(round)}"`
  const rect = `<rect class="${tone}" ${box}/>`
  return rect
}

function drawSpanText(span: Span, { middle }: Row, x: Scale, shade: Shade, gap: number | null): string {
  if (span.text === undefined) return ''
  const [from, to] = [x(span.from), x(span.to)]
  const tone = span.tone === 'plan' ? shade(span.plan) : span.tone
  // Text stands before a gap, or between two edges.
  const end = gap !== null && from < gap && to > gap ? gap - 10 : to
  if (end - from < span.text.length * 7 + 3) return ''
  const at = (from + end) / 2
  return `<text class="in on-${tone}" x="${n(at)}" y="${n(middle + 4.5)}">${escapeText(span.text)}</text>`
}

/** Which signs occur, and what they stand for; at the upper right. */
function key({ spans, messages, accent }: Diagram): string {
  const signs: { readonly sign: string; readonly text: string }[] = []
  const add = (occurs: boolean, sign: string, text: string) => {
    if (occurs) signs.push({ sign, text })
  }
  const box = (kind: string) => `<rect class="${kind}" x="0" y="-10" width="22" height="12" rx="3"/>`
  add(accent !== undefined, box('hero'), `plan ${accent}`)
  add(
    spans.some(({ tone }) => tone === 'held'),
    `${box(accent === undefined ? 'p3' : 'hero')}${box('held')}`,
    'held up',
  )
  add(
    spans.some(({ tone }) => tone === 'down'),
    box('down'),
    'down',
  )
  add(
    messages.some(({ tone }) => tone === 'refused'),
    '<path class="way to-refused" d="M0 -4H12"/><path class="cross" d="M14 -8l8 8m0-8l-8 8"/>',
    'refused',
  )
  add(
    messages.some(({ tone }) => tone === 'delete'),
    '<path class="way to-delete" d="M0 -4H22"/>',
    'deleted',
  )
  let at = right
  const parts: string[] = []
  for (const { sign, text } of signs.reverse()) {
    at -= 30 + text.length * 6.6
    parts.push(
      `<g transform="translate(${n(at)} 38)">${sign}<text class="soft" x="28" y="0">${escapeText(text)}</text></g>`,
    )
    at -= 16
  }
  return parts.join('')
}

function drawMessage(message: Message, rows: Rows, x: Scale, shade: Shade): string {
  const source = rows.of(message.from)
  const goal = rows.of(message.to)
  const down = goal.top > source.top
  const edge = (row: Row) => (row.lane.kind === 'band' ? row.height / 2 - 8 : 10)
  const [x1, y1] = [x(message.at), source.middle + (down ? 1 : -1) * edge(source)]
  const [x2, y2] = [x(message.arrives), goal.middle - (down ? 1 : -1) * (edge(goal) + 1)]
  const tone = message.tone === 'write' ? `to-${shade(message.plan)}` : `to-${message.tone}`
  const length = Math.hypot(x2 - x1, y2 - y1)
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length]
  if (message.tone === 'refused') {
    const [cx, cy] = [x2 - ux * 7, y2 - uy * 7]
    return `<path class="way ${tone}" d="M${n(x1)} ${n(y1)}L${n(cx - ux * 5)} ${n(cy - uy * 5)}"/><path class="cross" d="M${n(cx - 4)} ${n(cy - 4)}l8 8m0-8l-8 8"/>`
  }
  const [bx, by] = [x2 - ux * 7, y2 - uy * 7]
  const tip = `M${n(x2)} ${n(y2)}L${n(bx - uy * 3.6)} ${n(by + ux * 3.6)}L${n(bx + uy * 3.6)} ${n(by - ux * 3.6)}z`
  return `<path class="way ${tone}" d="M${n(x1)} ${n(y1)}L${n(bx)} ${n(by)}"/><path class="tip ${tone}" d="${tip}"/>`
}

function drawTick({ at, tone, plan }: Mark, { middle, lane }: Row, x: Scale, shade: Shade): string {
  const name = tone === 'plan' ? shade(plan) : tone
  if (lane.kind === 'ticks' && tone === 'bad')
    return `<path class="cross" d="M${n(x(at) - 3)} ${n(middle - 3)}l6 6m0-6l-6 6"/>`
  return `<circle class="dot ${name}" cx="${n(x(at))}" cy="${n(middle)}" r="${lane.kind === 'ticks' ? 3 : 5}"/>`
}

/** Numbers stand at the upper edge of the lane; those that would cover each other move aside. */
function numbered(told: readonly Mark[], rows: Rows, x: Scale): readonly string[] {
  const taken = new Map<string, number>()
  return told.map((mark, index) => {
    const row = rows.of(mark.lane)
    const wanted = x(mark.at)
    const at = Math.max(wanted, (taken.get(mark.lane) ?? 0) + 20)
    taken.set(mark.lane, at)
    const y = row.top + (row.lane.kind === 'band' ? row.height - 2 : 6)
    const stem = at === wanted ? '' : `<path class="stem" d="M${n(wanted)} ${n(row.middle)}L${n(at)} ${n(y)}"/>`
    return `${stem}<g class="number ${mark.tone}"><circle cx="${n(at)}" cy="${n(y)}" r="9.5"/><text x="${n(at)}" y="${n(y + 4)}">${index + 1}</text></g>`
  })
}

/** A tear through all lanes. */
function drawCut(cut: NonNullable<Diagram['cut']>, x: Scale, bottom: number): string {
  const middle = x(cut.from) + cutWidth / 2
  const count = 2 * Math.ceil((bottom - top + 16) / 16)
  const down = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'l4 8' : 'l-4 8')).join('')
  const up = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'l4 -8' : 'l-4 -8')).join('')
  const start = `${n(middle - 6)} ${top - 8}`
  const tear = `<path class="tear" d="M${start}${down}h8${up}z"/>`
  const edges = `<path class="gap" d="M${start}${down}"/><path class="gap" d="M${n(middle + 2)} ${top - 8}${down}"/>`
  return `${tear}${edges}<text class="tick" x="${n(middle)}" y="${top - 14}">${escapeText(cut.text)}</text>`
}

/** What the numbers mean, in two columns where there are many. */
function legend(told: readonly Mark[], from: number): { readonly parts: readonly string[]; readonly bottom: number } {
  if (told.length === 0) return { parts: [], bottom: from - 30 }
  const columns = told.length > 3 ? 2 : 1
  const columnWidth = (width - 48) / columns
  const items = told.map((mark, index) => ({
    mark,
    number: index + 1,
    lines: wrap(`${clockText(mark.at, true)}  ${mark.text ?? ''}`, Math.floor((columnWidth - 52) / 6.75)),
  }))
  const high = (list: typeof items) => list.reduce((sum, { lines }) => sum + lines.length * 18 + 10, 0)
  let split = items.length
  if (columns === 2)
    for (let i = items.length - 1; i > 0; i--)
      if (
        Math.max(high(items.slice(0, i)), high(items.slice(i))) <=
        Math.max(high(items.slice(0, split)), high(items.slice(split)))
      )
        split = i
  const parts: string[] = []
  let column = 0
  let y = from
  let bottom = from
  for (const [index, { mark, number, lines }] of items.entries()) {
    if (index === split) {
      column = 1
      y = from
    }
    const at = 24 + column * columnWidth
    parts.push(
      `<g class="number ${mark.tone}"><circle cx="${n(at + 10)}" cy="${n(y - 5)}" r="9.5"/><text x="${n(at + 10)}" y="${n(y - 1)}">${number}</text></g>`,
    )
    for (const line of lines) {
      parts.push(`<text class="told" x="${n(at + 30)}" y="${n(y)}">${escapeText(line)}</text>`)
      y += 18
    }
    y += 10
    bottom = Math.max(bottom, y - 18)
  }
  return { parts, bottom }
}

/**
 * Line charts as SVG: quantities over time, with marks where something happened. Follows the reader's
 * light or dark mode, as the space-time diagrams do.
 */
import { escapeText, style, wrap } from './diagram-style.ts'

export interface Series {
  readonly label: string
  /** `strong` for what the chart is about, `dashed` for what it is to be held against. */
  readonly look: 'strong' | 'plain' | 'dashed'
  readonly tone: 'good' | 'bad' | 'ink' | 'soft' | 'hero'
  /** In order of time; a step holds until the next point where `stepped`. */
  readonly points: readonly (readonly [seconds: number, value: number])[]
  readonly stepped?: boolean
  /** The area below is filled. */
  readonly filled?: boolean
}

export interface Moment {
  readonly at: number
  readonly text: string
}

export interface Chart {
  readonly title: string
  /** For those who cannot see it: what it shows, in a few sentences. */
  readonly description: string
  /** What the values are, such as `targets` or `leases a second`. */
  readonly unit: string
  readonly seconds: number
  readonly greatest: number
  readonly series: readonly Series[]
  readonly moments: readonly Moment[]
}

const width = 1080
const left = 76
const right = width - 28
const top = 74
const plotHeight = 300

export function drawChart(chart: Chart): string {
  const x = (seconds: number) => left + (seconds / chart.seconds) * (right - left)
  const y = (value: number) => top + plotHeight - (Math.min(value, chart.greatest) / chart.greatest) * plotHeight
  const bottom = top + plotHeight
  const key = keyOf(chart, bottom + 52)
  const told = tellOf(chart.moments, key.bottom + 26)
  const height = Math.ceil(told.bottom + 16)
  const parts = [
    `<rect class="paper" width="${width}" height="${height}" rx="10"/>`,
    `<text class="title" x="24" y="38">${escapeText(chart.title)}</text>`,
    `<text class="axis" x="${right}" y="38">${escapeText(chart.unit)}</text>`,
    ...ticks(chart.greatest, 5).map(
      (value) =>
        `<line class="grid" x1="${left}" x2="${right}" y1="${n(y(value))}" y2="${n(y(value))}"/><text class="axis" x="${left - 10}" y="${n(y(value) + 4)}">${value.toLocaleString('en')}</text>`,
    ),
    ...ticks(chart.seconds, 9).map(
      (seconds) =>
        `<line class="grid" x1="${n(x(seconds))}" x2="${n(x(seconds))}" y1="${top}" y2="${bottom}"/><text class="tick" x="${n(x(seconds))}" y="${bottom + 20}">${secondsText(seconds)}</text>`,
    ),
    ...chart.series.map((series) => drawSeries(series, x, y, bottom)),
    ...chart.moments.map(
      ({ at }, index) =>
        `<line class="stem" x1="${n(x(at))}" x2="${n(x(at))}" y1="${top - 4}" y2="${bottom}" stroke-dasharray="2 4"/>${badge(x(at), top - 8, index + 1)}`,
    ),
    ...key.parts,
    ...told.parts,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title what">
<title id="title">${escapeText(chart.title)}</title>
<desc id="what">${escapeText(chart.description)}</desc>
${style(0)}
<style>${lines}</style>
${parts.join('\n')}
</svg>
`
}

const tones = ['good', 'bad', 'ink', 'soft', 'hero'] as const
const lines = [
  '.axis { text-anchor: end; font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }',
  '.curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .strong { stroke-width: 2.6; } .dashed { stroke-dasharray: 6 5; } .area { stroke: none; fill-opacity: 0.12; }',
  '.badge circle { fill: var(--ink); } .badge text { text-anchor: middle; font-size: 11.5px; font-weight: 700; fill: var(--paper); }',
  ...tones.map((tone) => `.c-${tone} { stroke: var(--${tone}); } .area.c-${tone} { fill: var(--${tone}); }`),
].join('\n')

type Scale = (value: number) => number

function drawSeries({ points, look, tone, stepped, filled }: Series, x: Scale, y: Scale, bottom: number): string {
  const [first, ...rest] = points
  if (first === undefined) return ''
  let last = first
  let path = `M${n(x(first[0]))} ${n(y(first[1]))}`
  for (const point of rest) {
    path += stepped === true ? `H${n(x(point[0]))}V${n(y(point[1]))}` : `L${n(x(point[0]))} ${n(y(point[1]))}`
    last = point
  }
  const area = filled === true ? `<path class="area c-${tone}" d="${path}V${n(bottom)}H${n(x(first[0]))}Z"/>` : ''
  return `${area}<path class="curve ${look} c-${tone}" d="${path}H${n(x(last[0]))}"/>`
}

function keyOf({ series }: Chart, at: number): { readonly parts: readonly string[]; readonly bottom: number } {
  const parts: string[] = []
  let across = left
  let down = at
  for (const { label, look, tone } of series) {
    const wide = 46 + label.length * 7.2
    if (across + wide > right && across > left) {
      across = left
      down += 22
    }
    parts.push(
      `<path class="curve ${look} c-${tone}" d="M${n(across)} ${down - 4}h26"/><text class="told" x="${n(across + 34)}" y="${down}">${escapeText(label)}</text>`,
    )
    across += wide + 20
  }
  return { parts, bottom: down }
}

function tellOf(
  moments: readonly Moment[],
  at: number,
): { readonly parts: readonly string[]; readonly bottom: number } {
  const parts: string[] = []
  let down = at
  for (const [index, moment] of moments.entries()) {
    parts.push(badge(left + 8, down - 4, index + 1))
    for (const line of wrap(`${secondsText(moment.at)}  ${moment.text}`, 138)) {
      parts.push(`<text class="told" x="${left + 28}" y="${down}">${escapeText(line)}</text>`)
      down += 19
    }
    down += 4
  }
  return { parts, bottom: down - 8 }
}

const badge = (x: number, y: number, number: number): string =>
  `<g class="badge"><circle cx="${n(x)}" cy="${n(y)}" r="9"/><text x="${n(x)}" y="${n(y + 4)}">${number}</text></g>`

/** About so many round numbers from 0 to `greatest`. */
function ticks(greatest: number, about: number): readonly number[] {
  const raw = greatest / about
  const size = 10 ** Math.floor(Math.log10(raw))
  const step = ([1, 2, 3, 5, 6, 10].find((factor) => factor * size >= raw) ?? 10) * size
  return Array.from({ length: Math.floor(greatest / step + 1e-9) + 1 }, (_, index) => index * step)
}

const secondsText = (seconds: number): string =>
  seconds < 120
    ? `${Math.round(seconds * 10) / 10} s`
    : `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, '0')}`

const n = (value: number): string => String(Math.round(value * 10) / 10)

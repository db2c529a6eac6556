/**
 * Recoveries side by side as SVG: for each policy a panel with what the dependency could have done (grey)
 * and the useful part of what it did (colour), over the same time. Deterministic; light and dark by the
 * reader's own setting.
 */
import { escapeText, style } from '../diagram-style.ts'
import type { Figures } from './record.ts'

export interface Panel {
  readonly name: string
  /** What it is, in a few words. */
  readonly note: string
  readonly isOurs: boolean
  readonly figures: Figures
}

export interface Picture {
  readonly title: string
  readonly subtitle: string
  readonly seconds: number
  readonly panels: readonly Panel[]
}

const width = 1080
const columns = 2
const margin = 28
const gap = 36
const panelWidth = (width - 2 * margin - (columns - 1) * gap) / columns
const plotHeight = 112
const panelHeight = 196
const top = 92
/** Left of each plot, for the scale. */
const scaleWidth = 44

export function drawRecoveries({ title, subtitle, seconds, panels }: Picture): string {
  const rows = Math.ceil(panels.length / columns)
  const height = top + rows * panelHeight + 18
  const most = Math.max(...panels.flatMap(({ figures }) => figures.able.slice(0, seconds)))
  const described = panels.map(({ name, figures }) => `${name}: ${outcome(figures).text}.`).join(' ')
  const drawn = panels.map((panel, i) => {
    const x = margin + (i % columns) * (panelWidth + gap)
    const y = top + Math.floor(i / columns) * panelHeight
    return drawPanel(panel, x, y, seconds, most)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title text">
<title id="title">${escapeText(title)}</title>
<desc id="text">${escapeText(described)}</desc>
${style(0)}
<style>
.able { fill: var(--grid); stroke: var(--line); } .done { fill-opacity: 0.85; } .done.ours { fill: var(--good); } .done.other { fill: var(--hero); }
.axis { stroke: var(--soft); } .leased { fill: none; stroke: var(--ink); stroke-width: 1.4; stroke-dasharray: 3 3; }
.well { fill: var(--good); font-weight: 600; } .badly { fill: var(--bad); font-weight: 600; } .right { text-anchor: end; } .scale { text-anchor: end; fill: var(--soft); font-size: 12px; }
.key { font-size: 12.5px; }
</style>
<rect class="paper" width="${width}" height="${height}"/>
<text class="title" x="${margin}" y="34">${escapeText(title)}</text>
<text class="soft" x="${margin}" y="54">${escapeText(subtitle)}</text>
${legend()}
${drawn.join('\n')}
</svg>
`
}

function legend(): string {
  const y = 74
  const at = (x: number) => margin + x
  return [
    `<rect class="able" x="${at(0)}" y="${y - 10}" width="14" height="10"/><text class="key" x="${at(20)}" y="${y}">what the database could do</text>`,
    `<rect class="done ours" x="${at(208)}" y="${y - 10}" width="7" height="10"/><rect class="done other" x="${at(215)}" y="${y - 10}" width="7" height="10"/><text class="key" x="${at(228)}" y="${y}">what it did that anybody still wanted</text>`,
    `<path class="leased" d="M${at(466)} ${y - 5}h22"/><text class="key" x="${at(494)}" y="${y}">hosts with a lease, 0 to 100 %</text>`,
  ].join('\n')
}

function drawPanel(
  { name, note, isOurs, figures }: Panel,
  x: number,
  y: number,
  seconds: number,
  most: number,
): string {
  const left = x + scaleWidth
  const plotWidth = panelWidth - scaleWidth
  const base = y + 44 + plotHeight
  const across = (second: number) => round(left + (second / seconds) * plotWidth)
  const up = (share: number) => round(base - share * plotHeight)
  const ended = Number.isFinite(figures.t100) ? Math.ceil(figures.t100) : seconds
  const able = figures.able.slice(0, Math.min(seconds, ended))
  const done = smooth(figures.goodput.slice(0, able.length))
  const leases = figures.leases.slice(0, seconds)
  const { text, isWell } = outcome(figures)
  const ticks = Array.from({ length: Math.floor(seconds / 30) + 1 }, (_, i) => 30 * i)
  return [
    `<text class="lane" x="${x}" y="${y + 16}">${escapeText(name)}</text>`,
    `<text class="${isWell ? 'well' : 'badly'} right" x="${x + panelWidth}" y="${y + 16}">${escapeText(text)}</text>`,
    `<text class="soft" x="${x}" y="${y + 33}">${escapeText(note)}</text>`,
    ...ticks.map(
      (t) =>
        `<path class="grid" d="M${across(t)} ${up(1)}V${base}"/><text class="tick" x="${across(t)}" y="${base + 16}">${t === 0 ? '0 s' : t}</text>`,
    ),
    `<text class="scale" x="${left - 6}" y="${up(1) + 4}">${Math.round(most / 100) / 10} k/s</text>`,
    `<path class="able" d="${area(
      able.map((one) => one / most),
      across,
      up,
    )}"/>`,
    `<path class="done ${isOurs ? 'ours' : 'other'}" d="${area(
      done.map((one) => one / most),
      across,
      up,
    )}"/>`,
    `<path class="leased" d="${line(leases, across, up)}"/>`,
    `<path class="axis" d="M${left} ${base}H${round(left + plotWidth)}"/>`,
  ].join('\n')
}

function outcome(figures: Figures): { readonly text: string; readonly isWell: boolean } {
  const { t100, bound, leasedShare } = figures
  if (Number.isFinite(t100))
    return { text: `all after ${Math.round(t100)} s, bound ${Math.round(bound)} s`, isWell: t100 < 1.25 * bound }
  return { text: `never: ${(100 * leasedShare).toFixed(leasedShare < 0.1 ? 1 : 0)} % at most`, isWell: false }
}

/** Over three seconds. */
const smooth = (values: readonly number[]): readonly number[] =>
  values.map((_, i) => {
    const near = values.slice(Math.max(0, i - 1), i + 2)
    return near.reduce((sum, one) => sum + one, 0) / near.length
  })

type Scale = (value: number) => number

const area = (shares: readonly number[], across: Scale, up: Scale): string =>
  `M${across(0)} ${up(0)}${shares.map((share, i) => `L${across(i)} ${up(Math.min(1, share))}H${across(i + 1)}`).join('')}V${up(0)}Z`

const line = (shares: readonly number[], across: Scale, up: Scale): string =>
  `M${across(0)} ${up(0)}${shares.map((share, i) => `L${across(i + 1)} ${up(share)}`).join('')}`

const round = (value: number): number => Math.round(value * 10) / 10

/** Leases a second and hosts that hold one, over the drill, as SVG in the reader's light or dark mode. Pure. */
import type { DrillReport } from './report.ts'

const width = 900
const height = 360
const left = 70
const right = 830
const top = 60
const bottom = 290

export function plotOf(report: DrillReport): string {
  const { seconds, takenAwayAt, backAt, hosts } = report
  const span = Math.max(1, seconds.length)
  const most = Math.max(1, ...seconds.map(({ goodput }) => goodput))
  const x = (at: number) => left + (Math.min(at, span) / span) * (right - left)
  const y = (share: number) => bottom - share * (bottom - top)
  const path = (share: (index: number) => number) =>
    seconds.map((_, index) => `${index === 0 ? 'M' : 'L'}${n(x(index + 1))} ${n(y(share(index)))}`).join('')
  const goodput = path((index) => (seconds[index]?.goodput ?? 0) / most)
  const leased = path((index) => (seconds[index]?.leased ?? 0) / hosts)
  const never = (at: number | null) => (at === null ? 'never' : `${at.toFixed(1)} s`)
  const told = `${hosts.toLocaleString('en')} hosts; after its return 50 % in ${never(report.t50)}, 99 % in ${never(report.t99)}, 100 % in ${never(report.t100)}`
  const ticks = Array.from({ length: 6 }, (_, index) => Math.round((span * index) / 5))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title what">
<title id="title">Recovery drill</title>
<desc id="what">${told}</desc>
<style>
svg { color-scheme: light dark; font: 13px system-ui, sans-serif; --paper: #fff; --ink: #1b1f24; --soft: #59636e; --hero: #0b6bcb; --good: #1a7f37; --away: #cf222e22 }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --hero: #4493f8; --good: #3fb950; --away: #f8514933 } }
text { fill: var(--soft) } .title { fill: var(--ink); font-size: 16px; font-weight: 600 } path { fill: none; stroke-width: 2 }
</style>
<rect width="${width}" height="${height}" rx="8" fill="var(--paper)"/>
<text class="title" x="20" y="30">${told}</text>
<rect x="${n(x(takenAwayAt))}" y="${top}" width="${n(Math.max(0, x(backAt) - x(takenAwayAt)))}" height="${bottom - top}" fill="var(--away)"/>
<path stroke="var(--soft)" stroke-width="1" d="M${left} ${top}V${bottom}H${right}V${top}"/>
${ticks.map((at) => `<text x="${n(x(at))}" y="${bottom + 20}" text-anchor="middle">${at} s</text>`).join('\n')}
<text x="${left - 8}" y="${top + 5}" text-anchor="end">${most.toLocaleString('en')}/s</text>
<text x="${right + 8}" y="${top + 5}">100 %</text>
<path stroke="var(--hero)" d="${goodput}"/>
<path stroke="var(--good)" stroke-dasharray="6 4" d="${leased}"/>
<text x="${left}" y="${height - 20}">leases a second (line), hosts that hold a lease (dashes), the dependency away (shaded)</text>
</svg>
`
}

const n = (value: number): string => String(Math.round(value * 10) / 10)

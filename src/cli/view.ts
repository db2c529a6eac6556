/**
 * The live view of `up` as lines of text: from what is known now, for a terminal of a given size. Pure.
 * The narrower or lower the terminal, the less it says; the commands to try are never cut.
 */
import type { Paint } from './io.ts'
import { agoText, bar, clockText, durationText, fitted, padEnd, percentText, widthOf } from './text.ts'

export type Mark = 'good' | 'busy' | 'bad' | 'unknown'

export interface Screen {
  readonly now: number
  readonly owner: string
  readonly started: number
  /** Null before the first plan. */
  readonly head: { readonly generation: number; readonly at: number } | null
  /** What holds everything up, such as an unreachable store or a freeze; shown under the title. */
  readonly alarms: readonly string[]
  readonly programs: readonly {
    readonly name: string
    readonly pid: number | null
    readonly mark: Mark
    readonly note: string
  }[]
  readonly pools: readonly {
    readonly id: string
    /** 0 to 1; null before the first plan. */
    readonly capacity: number | null
    readonly failOpen: boolean
    readonly targets: readonly {
      readonly id: string
      readonly address: string
      /** Weight in the answer over full weight. */
      readonly share: number
      readonly mark: Mark
      readonly note: string
      readonly latencyMs: number | null
    }[]
  }[]
  readonly names: readonly {
    readonly name: string
    /** What the authority's marker says; null: none was read. */
    readonly generation: number | null
    readonly answer: string
    readonly mark: Mark
  }[]
  readonly namesTotal: number
  readonly events: readonly {
    readonly at: number
    readonly program: string
    readonly text: string
    readonly bad: boolean
  }[]
  readonly tries: readonly { readonly command: string; readonly what: string }[]
  readonly footer: string
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

const signs: Readonly<Record<Mark, string>> = { good: '●', busy: '◐', bad: '○', unknown: '?' }
const colours: Readonly<Record<Mark, 'green' | 'yellow' | 'red' | 'gray'>> = {
  good: 'green',
  busy: 'yellow',
  bad: 'red',
  unknown: 'gray',
}

/** At most `size.rows` lines, each at most `size.columns` wide. */
export function render(screen: Screen, size: Size, paint: Paint): readonly string[] {
  const columns = Math.max(20, size.columns)
  const low = size.rows < 28
  const sign = (mark: Mark) => paint(colours[mark], signs[mark])
  const heading = (text: string, rest = '') => `${paint(['bold', 'cyan'], text)}${rest === '' ? '' : `  ${rest}`}`

  const head = [titleLine(screen, columns, paint), ...screen.alarms.map((text) => paint(['red', 'bold'], `! ${text}`))]
  const programs = [heading('PROGRAMS'), ...programLines(screen, columns, sign, paint)]
  const pools = screen.pools.map((pool) => [
    heading(
      `POOL ${pool.id}`,
      `${pool.capacity === null ? 'not planned yet' : `${percentText(pool.capacity)} of its capacity answers`}${pool.failOpen ? paint('yellow', ' · fail-open: the checks are not believed, every target answers') : ''}`,
    ),
    ...targetLines(pool.targets, columns, sign, paint),
  ])
  const names = [
    heading('NAMES', screen.namesTotal > screen.names.length ? `${screen.names.length} of ${screen.namesTotal}` : ''),
    ...nameLines(screen, sign, paint),
  ]
  const tries = [
    heading('TRY', screen.footer === '' ? '' : paint('dim', screen.footer)),
    ...tryLines(low ? screen.tries.slice(0, 4) : screen.tries, columns, paint),
  ]

  // Events take what room is left, and at least three lines; then pools and names give way, from the last.
  const fixed = [head, programs, ...pools, names]
  const gap = size.rows >= 30 ? 1 : 0
  const height = (blocks: readonly (readonly string[])[]) => blocks.reduce((sum, block) => sum + block.length + gap, 0)
  let shown = fixed
  while (shown.length > 2 && height(shown) + height([tries]) + (low ? 2 : 4) > size.rows) shown = shown.slice(0, -1)
  const room = size.rows - height(shown) - height([tries]) - 1
  const recent = room > 0 ? screen.events.slice(-Math.min(room, 12)) : []
  const events = recent.length === 0 ? [] : [[heading('EVENTS'), ...eventLines({ ...screen, events: recent }, paint)]]

  const lines: string[] = []
  for (const block of [...shown, ...events, tries]) {
    if (gap === 1 && lines.length > 0) lines.push('')
    lines.push(...block)
  }
  return lines.slice(0, size.rows).map((line) => fitted(line, columns))
}

function titleLine(screen: Screen, columns: number, paint: Paint): string {
  const left = `${paint('bold', 'holdfast')} ${paint('dim', '·')} ${screen.owner}`
  const generation =
    screen.head === null
      ? 'no plan yet'
      : `generation ${paint('bold', String(screen.head.generation))}, ${agoText(screen.head.at, screen.now)}`
  const right = `${generation} ${paint('dim', '·')} up ${durationText(screen.now - screen.started)}`
  const space = columns - widthOf(left) - widthOf(right)
  return space >= 2 ? left + ' '.repeat(space) + right : `${left}  ${right}`
}

function programLines(screen: Screen, columns: number, sign: (mark: Mark) => string, paint: Paint): string[] {
  const nameWidth = Math.max(...screen.programs.map(({ name }) => name.length), 4)
  const pidWidth = Math.max(...screen.programs.map(({ pid }) => String(pid ?? '-').length), 5)
  const cells = screen.programs.map(
    ({ name, pid, mark, note }) =>
      `${sign(mark)} ${padEnd(name, nameWidth)} ${padEnd(pid === null ? paint('dim', '-') : String(pid), pidWidth)} ${note}`,
  )
  // As many columns as fit, each as wide as its widest cell.
  const layout = (across: number) => {
    const rows = Math.ceil(cells.length / across)
    const parts = Array.from({ length: across }, (_, column) => cells.slice(column * rows, (column + 1) * rows))
    const widths = parts.map((part) => Math.max(...part.map(widthOf), 0))
    return { rows, parts, widths, width: widths.reduce((sum, width) => sum + width + 2, -2) }
  }
  const { rows, parts, widths } = [3, 2].map(layout).find(({ width }) => width <= columns) ?? layout(1)
  return Array.from({ length: rows }, (_, row) =>
    parts
      .map((part, column) => padEnd(part[row] ?? '', widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

type Target = Screen['pools'][number]['targets'][number]

function targetLines(
  targets: readonly Target[],
  columns: number,
  sign: (mark: Mark) => string,
  paint: Paint,
): string[] {
  const id = Math.max(...targets.map((target) => target.id.length))
  const address = Math.max(...targets.map((target) => target.address.length))
  const barWidth = columns >= 100 ? 20 : columns >= 60 ? 10 : 0
  return targets.map((target) => {
    const latency = target.latencyMs === null ? '' : `${target.latencyMs.toFixed(target.latencyMs < 10 ? 1 : 0)} ms`
    const weight = barWidth === 0 ? '' : `${paint(colours[target.mark], bar(target.share, barWidth))} `
    return `${sign(target.mark)} ${padEnd(target.id, id)}  ${padEnd(target.address, address)}  ${weight}${percentText(target.share).padStart(5)}  ${padEnd(latency, 7)}  ${target.note}`.trimEnd()
  })
}

function nameLines(screen: Screen, sign: (mark: Mark) => string, paint: Paint): string[] {
  const name = Math.max(...screen.names.map((line) => line.name.length), 1)
  const generation = Math.max(...screen.names.map((line) => String(line.generation ?? '-').length), 1)
  return screen.names.map(
    (line) =>
      `${sign(line.mark)} ${padEnd(line.name, name)}  ${paint('dim', `g=${line.generation ?? '-'}`.padEnd(generation + 2))}  ${line.answer}`,
  )
}

function eventLines(screen: Screen, paint: Paint): string[] {
  const program = Math.max(...screen.events.map((event) => event.program.length))
  return screen.events.map(
    (event) =>
      `${paint('dim', clockText(event.at))} ${padEnd(event.program, program)} ${event.bad ? paint('yellow', event.text) : event.text}`,
  )
}

/** A command stands whole on its own line; what it does stands beside it if there is room. */
function tryLines(tries: Screen['tries'], columns: number, paint: Paint): string[] {
  const width = Math.max(...tries.map(({ command }) => command.length), 1)
  const column = Math.min(width, 46)
  return tries.flatMap(({ command, what }) => {
    const side = `${padEnd(command, column)}  ${paint('dim', what)}`
    return widthOf(side) <= columns || what === '' ? [side.trimEnd()] : [command]
  })
}

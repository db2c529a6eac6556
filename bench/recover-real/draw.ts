/** Pictures of real recoveries: hosts that got a lease in each second, one line a policy. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawChart, type Series } from '../../lab/chart.ts'
import { type RealRun, type Trouble, troubles } from './run.ts'

const looks: Readonly<Record<string, Pick<Series, 'look' | 'tone'>>> = {
  governor: { look: 'strong', tone: 'hero' },
  'naive FIFO': { look: 'strong', tone: 'bad' },
  AIMD: { look: 'plain', tone: 'ink' },
  Vegas: { look: 'plain', tone: 'soft' },
  Gradient2: { look: 'dashed', tone: 'soft' },
  'LIFO + CoDel': { look: 'dashed', tone: 'ink' },
  'fixed pool 64': { look: 'plain', tone: 'good' },
}

export function drawRuns(
  { hosts, runs }: { readonly hosts: number; readonly runs: readonly RealRun[] },
  folder: string,
): void {
  for (const trouble of ['none', 'hang'] as const) {
    const drawn = runs.filter((one) => one.trouble === trouble && looks[one.policy] !== undefined)
    if (drawn.length > 0) writeFileSync(join(folder, `recovery-real-${trouble}.svg`), drawOne(hosts, trouble, drawn))
  }
}

function drawOne(hosts: number, trouble: Trouble, runs: readonly RealRun[]): string {
  const seconds = Math.max(...runs.map(({ goodput }) => goodput.length))
  const perSecond = Math.max(...runs.map((one) => one.perSecond))
  const away = runs[0]?.away ?? []
  return drawChart({
    title: `${hosts.toLocaleString('en')} hosts come back to PostgreSQL: ${troubles[trouble]}`,
    description: runs
      .map(
        ({ policy, t99, leasedShare }) =>
          `${policy}: ${Number.isFinite(t99) ? `99 % after ${t99.toFixed(1)} s` : `never, at most ${(100 * leasedShare).toFixed(0)} %`}.`,
      )
      .join(' '),
    unit: 'leases a second',
    seconds,
    greatest: Math.ceil((1.2 * perSecond) / 100) * 100,
    series: [
      {
        label: 'what PostgreSQL can do',
        look: 'dashed',
        tone: 'good',
        points: [
          [0, perSecond],
          [seconds, perSecond],
        ],
      },
      ...runs.map(
        ({ policy, goodput }): Series => ({
          label: policy,
          ...(looks[policy] as Pick<Series, 'look' | 'tone'>),
          points: smooth(goodput, seconds).map((value, second) => [second + 0.5, value] as const),
        }),
      ),
    ],
    moments: away.flatMap(([from, to]) => [
      { at: from, text: 'PostgreSQL does not answer any more' },
      { at: to, text: 'it answers again' },
    ]),
  })
}

/** Of three seconds each; those after everybody was served are none. */
function smooth(values: readonly number[], seconds: number): readonly number[] {
  const at = (second: number) => values[second] ?? 0
  return Array.from({ length: seconds }, (_, second) => (at(second - 1) + at(second) + at(second + 1)) / 3)
}

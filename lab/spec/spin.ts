/** Debian's Spin on a specification: verdict, states and time. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { specs } from './files.ts'
import { promelaOf } from './promela.ts'
import type { Spec } from './spec.ts'

/** Without them there is nothing to run; the model is C in between. */
export const spinPrograms = ['spin', 'gcc'] as const

export interface SpinResult {
  readonly kind: 'all' | 'violated' | 'stopped'
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** Of the search alone, as Spin says; the model is compiled before. */
  readonly ms: number
  /** Of the search, as Spin says; NaN where it does not. */
  readonly bytes: number
  /** The assertion that does not hold, or null. */
  readonly violated: string | null
}

/** `defines` as in the head of the Promela text, such as `{ PLANS: 3, SWEEP: true }`. Null without Spin or a C compiler. */
export function spin(
  model: 'holdfast' | 'classic' | Spec,
  defines: Readonly<Record<string, number | true>>,
  memoryMiB = 2_048,
): SpinResult | null {
  const spec = typeof model === 'string' ? specs.find(({ name }) => name === model) : model
  if (spec === undefined) throw new Error(`expected a specification, found ${JSON.stringify(model)}`)
  if (spinPrograms.some((program) => spawnSync(program, ['--version']).error !== undefined)) return null
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-spin-'))
  const run = (program: string, args: readonly string[]): string => {
    const { stdout, stderr, status, error } = spawnSync(program, args, {
      cwd: folder,
      encoding: 'utf8',
      timeout: 900_000,
    })
    if (error !== undefined || status !== 0)
      throw new Error(`${program}: expected exit code 0, found ${error?.message ?? status}: ${stdout}${stderr}`)
    return stdout
  }
  try {
    writeFileSync(join(folder, 'model.pml'), promelaOf(spec))
    const flags = Object.entries(defines).map(([name, value]) => (value === true ? `-D${name}` : `-D${name}=${value}`))
    run('spin', ['-a', ...flags, 'model.pml'])
    run('gcc', ['-O2', '-w', '-DSAFETY', `-DMEMLIM=${memoryMiB}`, '-o', 'pan', 'pan.c'])
    const said = run('./pan', ['-m1000000'])
    const number = (pattern: RegExp): number => Number(pattern.exec(said)?.[1] ?? Number.NaN)
    const isWhole = !/Search not completed|max search depth too small|out of memory/.test(said)
    const errors = number(/errors: (\d+)/)
    return {
      kind: errors > 0 ? 'violated' : isWhole ? 'all' : 'stopped',
      states: number(/([\d.e+]+) states, stored/),
      transitions: number(/([\d.e+]+) transitions/),
      depth: number(/depth reached (\d+)/),
      ms: number(/elapsed time ([\d.]+)/) * 1000,
      bytes: number(/([\d.]+)\s+total actual memory usage/) * 2 ** 20,
      violated: /assertion violated (.+) \(at depth/.exec(said)?.[1] ?? null,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

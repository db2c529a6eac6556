/** Debian's Spin on `holdfast.pml`: verdict, states and time. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SpinResult {
  readonly kind: 'all' | 'violated' | 'stopped'
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** Of the search alone, as Spin says; the model is compiled before. */
  readonly ms: number
}

/** `defines` as in the head of the model, such as `{ PLANS: 3, SWEEP: true }`. Null without Spin or a C compiler. */
export function spin(
  model: 'holdfast' | 'classic',
  defines: Readonly<Record<string, number | true>>,
  memoryMiB = 2_048,
): SpinResult | null {
  if (spawnSync('spin', ['-V']).error !== undefined || spawnSync('gcc', ['--version']).error !== undefined) return null
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
    const flags = Object.entries(defines).map(([name, value]) => (value === true ? `-D${name}` : `-D${name}=${value}`))
    run('spin', ['-a', ...flags, join(import.meta.dirname, `${model}.pml`)])
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
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * Everything that decides whether the code is right, in order: types, lint, unit tests, end-to-end
 * tests. The last line of output is `N passed, N failed[, N skipped]`, where the type check and the
 * lint count as one test each.
 *
 *     npm test                 all of it
 *     npm test -- --unit       leave the end-to-end tests out
 *     npm run check            types and lint only
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

export interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface Step {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
  /** Beyond this the step is ended and has failed. */
  readonly minutesMax: number
  /** Where vitest writes its report; null for a step that counts as one test. */
  readonly report: string | null
}

const vitest = (project: string, minutesMax: number): Step => {
  const report = join(root, '.cache', `test-${project}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  return { name: project, command: [bin('vitest'), 'run', '--project', project, ...reporters], minutesMax, report }
}

const steps: readonly Step[] = [
  { name: 'types', command: [bin('tsc'), '-p', root, '--noEmit'], minutesMax: 3, report: null },
  { name: 'lint', command: [bin('biome'), 'check', '--error-on-warnings', root], minutesMax: 3, report: null },
  vitest('unit', 15),
  vitest('end-to-end', 25),
]

/** What one vitest run counts: its tests, and one failure more for what failed outside of any test. */
export function countReport(report: VitestReport, exitCode: number | null): Count {
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  ).length
  const failed = report.numFailedTests + brokenFiles
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

export interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

async function runStep(step: Step): Promise<Count> {
  if (step.report !== null) rmSync(step.report, { force: true })
  const started = performance.now()
  const exitCode = await runToEnd(step)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const count = step.report === null ? oneTest(exitCode) : countFile(step.report, exitCode)
  console.log(`${step.name}: ${count.failed === 0 ? 'ok' : 'FAILED'} in ${seconds} s (limit ${step.minutesMax} min)\n`)
  return count
}

const oneTest = (exitCode: number | null): Count => ({
  passed: exitCode === 0 ? 1 : 0,
  failed: exitCode === 0 ? 0 : 1,
  skipped: 0,
})

function countFile(path: string, exitCode: number | null): Count {
  try {
    return countReport(JSON.parse(readFileSync(path, 'utf8')) as VitestReport, exitCode)
  } catch {
    // It ended before it could report.
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** The exit code, or null if it was ended by a signal or by the limit. */
function runToEnd(step: Step): Promise<number | null> {
  const [program, ...args] = step.command
  return new Promise((resolve) => {
    // A group of its own, so that the limit also ends what the tests have started.
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true })
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Already gone.
      }
    }
    const limit = setTimeout(() => {
      console.log(`${step.name}: no end after ${step.minutesMax} minutes; stopping it`)
      end()
    }, step.minutesMax * 60_000)
    const interrupted = () => {
      end()
      process.exit(130)
    }
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
    child.once('error', (error) => console.log(`${step.name}: ${error.message}`))
    child.once('close', (code) => {
      clearTimeout(limit)
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
      resolve(code)
    })
  })
}

async function main(): Promise<void> {
  const only = process.argv.slice(2)
  const chosen = steps.filter(({ name }) =>
    only.includes('--check')
      ? name === 'types' || name === 'lint'
      : !(only.includes('--unit') && name === 'end-to-end'),
  )
  mkdirSync(join(root, '.cache'), { recursive: true })
  console.log(`node ${process.version} on ${process.platform} ${process.arch}\n`)
  const started = performance.now()
  let total: Count = { passed: 0, failed: 0, skipped: 0 }
  for (const step of chosen) {
    const count = await runStep(step)
    total = {
      passed: total.passed + count.passed,
      failed: total.failed + count.failed,
      skipped: total.skipped + count.skipped,
    }
  }
  console.log(`all steps: ${((performance.now() - started) / 1000).toFixed(1)} s`)
  const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
}

if (import.meta.main) await main()

/** Runs a program as a check: no shell, no secrets in its environment, killed with its whole group when time is up. */
import { spawn } from 'node:child_process'
import { permits } from '../base/permits.ts'
import type { CommandCheck } from '../model/check.ts'
import { couldNotLook, fail, type Look, pass, type Subject } from './checker.ts'

/** Programs at once; the configuration refuses a pool that would need more. */
const atOnce = 32
const outputAtMost = 4096
const drainMs = 100
const passedOn = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const

export function commandRunner(
  dir: string,
  env: Readonly<Record<string, string | undefined>>,
): (check: CommandCheck, subject: Subject, timeoutMs: number) => Promise<Look> {
  const places = permits(atOnce)
  const given = Object.fromEntries(passedOn.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
  return (check, subject, timeoutMs) => places.run(() => run(filledIn(check, subject), dir, given, timeoutMs))
}

/** In one pass, so that what was filled in is not filled in again. */
export function filledIn({ run: words, port }: CommandCheck, { address, target, pool }: Subject): readonly string[] {
  const values: Readonly<Record<string, string>> = { address, target, pool, port: port === null ? '' : String(port) }
  return words.map((text) => text.replace(/\{(address|target|pool|port)\}/g, (_, name: string) => values[name] ?? ''))
}

function run(words: readonly string[], cwd: string, env: NodeJS.ProcessEnv, timeoutMs: number): Promise<Look> {
  const [file = '', ...args] = words
  return new Promise((resolve) => {
    let output = ''
    let late = false
    let started: ReturnType<typeof spawn>
    try {
      // In a group of its own, so that what it starts ends with it.
      started = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      resolve(couldNotLook(`${file} cannot be started: ${(error as Error).message}`))
      return
    }
    const child = started
    const endGroup = () => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Nobody is left in it.
      }
    }
    const timer = setTimeout(() => {
      late = true
      endGroup()
    }, timeoutMs)
    const finish = (look: Look) => {
      clearTimeout(timer)
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve(look)
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('error', () => {})
      stream?.on('data', (chunk: Buffer) => {
        if (output.length < outputAtMost) output += chunk.toString('utf8').slice(0, outputAtMost - output.length)
      })
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return
      finish(couldNotLook(`${file} cannot be started: ${error.code ?? error.message}`))
    })
    child.on('exit', (code, signal) => {
      // It may have left others behind.
      endGroup()
      const look = () =>
        late
          ? fail(`no answer in time: killed after ${timeoutMs} ms`)
          : code === 0
            ? pass
            : fail(`${code === null ? `ended by ${signal}` : `exit code ${code}`}${firstLine(output)}`)
      // What it wrote last may still be in the pipe, which somebody who left the group may hold open for ever.
      const drained = setTimeout(() => finish(look()), drainMs)
      child.once('close', () => {
        clearTimeout(drained)
        finish(look())
      })
    })
  })
}

function firstLine(output: string): string {
  const line = output.split('\n').find((text) => text.trim() !== '')
  return line === undefined
    ? ''
    : `: ${line
        .trim()
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, 120)}`
}

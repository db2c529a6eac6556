/** An operator's command, as a process of its own and without a shell. */
import { spawn } from 'node:child_process'

const saidMost = 2_000

/** Throws what it said if it fails, and if it is not over in time. */
export async function runCommand(words: readonly string[], timeoutMs: number): Promise<void> {
  const [program = '', ...args] = words
  await new Promise<void>((resolve, reject) => {
    // A group of its own: a Ctrl-C on the terminal must not end what brings the dependency back.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let said = ''
    const hear = (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-saidMost)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${program} was not over after ${Math.round(timeoutMs / 1000)} s`))
    }, timeoutMs)
    child.on('error', (error) => {
      clearTimeout(late)
      reject(error)
    })
    // Not "close": what it left running may hold its output.
    child.on('exit', (code, signal) => {
      clearTimeout(late)
      child.stdout.destroy()
      child.stderr.destroy()
      if (code === 0) resolve()
      else reject(new Error(`${program} ended with ${code ?? signal}: ${said.trim() || 'it said nothing'}`))
    })
  })
}

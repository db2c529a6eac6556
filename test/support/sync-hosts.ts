/** Hosts of the poll protocol, as programs: our own library, and what others may copy (examples/recover). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { syncClient } from '../../src/recover/library/index.ts'

const folder = join(import.meta.dirname, '..', '..', 'examples', 'recover')

export interface SyncHost {
  /** Resolves when the client has said a line that begins so; with all lines so far. */
  says(start: string): Promise<readonly string[]>
  close(): Promise<void>
}

export interface SyncIdentity {
  readonly servers: readonly [string, ...string[]]
  readonly token: string
  readonly id: string
}

type Start = (identity: SyncIdentity) => SyncHost

const program =
  (command: string, file: string): Start =>
  ({ servers, token, id }) => {
    const env = { ...process.env, LEASE_TOKEN: token, LEASE_ID: id }
    const child: ChildProcess = spawn(command, [join(folder, file), ...servers], { env })
    const lines: string[] = []
    let complaints = ''
    let rest = ''
    const waiting: (() => void)[] = []
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const all = (rest + text).split('\n')
      rest = all.pop() ?? ''
      lines.push(...all)
      for (const look of waiting.splice(0)) look()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    const ended = once(child, 'exit')
    return {
      async says(start) {
        for (;;) {
          if (lines.some((line) => line.startsWith(start))) return lines
          const more = new Promise<void>((resolve) => waiting.push(resolve))
          await Promise.race([
            more,
            ended.then(() => Promise.reject(new Error(`expected "${start}", found the end: ${complaints}`))),
          ])
        }
      },
      async close() {
        child.kill('SIGKILL')
        await ended
      },
    }
  }

const library: Start = ({ servers, token, id }) => {
  const lines: string[] = []
  const waiting: (() => void)[] = []
  const say = (line: string) => {
    lines.push(line)
    for (const look of waiting.splice(0)) look()
  }
  const client = syncClient({ servers, token: () => token, id, bootId: crypto.randomUUID() })
  client.on('leased', ({ epoch }) => say(`leased ${epoch}`))
  client.on('lost', () => say('lost'))
  return {
    async says(start) {
      while (!lines.some((line) => line.startsWith(start))) await new Promise<void>((resolve) => waiting.push(resolve))
      return lines
    },
    close: async () => client.close(),
  }
}

export const syncHosts: readonly { readonly name: string; readonly start: Start; readonly needs: readonly string[] }[] =
  [
    { name: 'the library', start: library, needs: [] },
    { name: 'client.py', start: program('python3', 'client.py'), needs: ['python3'] },
    { name: 'client.sh', start: program('sh', 'client.sh'), needs: ['curl', 'awk', 'sed'] },
  ]

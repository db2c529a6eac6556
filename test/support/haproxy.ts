/** A real HAProxy of one's own, in master-worker mode, with the configuration that Holdfast writes, and small servers behind it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { haproxyConfig } from '../../src/balance/haproxy-config.ts'
import type { Haproxy, HaproxyPool } from '../../src/model/haproxy.ts'
import { eventually } from './holdfast.ts'
import { freePort } from './ports.ts'
import { findProgram } from './programs.ts'

export interface RealHaproxy {
  readonly folder: string
  readonly haproxy: Haproxy
  /** Where clients connect. */
  readonly port: number
  /** A second socket, as an operator has one. */
  readonly operators: string
  /** Process id of the master. */
  pid(): number
  start(): Promise<void>
  /** SIGKILL, and the end of the process. */
  kill(): Promise<void>
  /** One command over the operators' socket. */
  command(text: string): Promise<string>
  log(): string
  stop(): Promise<void>
}

export interface RealHaproxyOptions {
  readonly mode?: 'tcp' | 'http'
  readonly slots?: number
  /** The port of the targets. */
  readonly targetPort: number
  readonly edit?: (configuration: string) => string
}

export async function realHaproxy(options: RealHaproxyOptions): Promise<RealHaproxy> {
  const program = findProgram('haproxy')
  if (program === undefined)
    throw new Error('expected the program haproxy, found none: put the suite into describeWith')
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-haproxy-'))
  const port = await freePort()
  const { mode = 'http', slots = 8, targetPort, edit = (text: string) => text } = options
  const pool: HaproxyPool = {
    pool: 'web',
    backend: 'web',
    port: targetPort,
    slots,
    mode,
    bind: { host: '127.0.0.1', port },
  }
  const haproxy: Haproxy = {
    socket: { kind: 'unix', path: join(folder, 'holdfast.sock') },
    stateFile: join(folder, 'state'),
    pools: [pool],
  }
  const operators = join(folder, 'operators.sock')
  const file = join(folder, 'haproxy.cfg')
  const text = haproxyConfig(haproxy, haproxy.pools).replace(
    'global\n',
    `global\n    stats socket ${operators} level admin\n`,
  )
  writeFileSync(file, edit(text))
  let child: ChildProcess | undefined
  let log = ''
  const kill = async (signal: NodeJS.Signals) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  return {
    folder,
    haproxy,
    port,
    operators,
    pid: () => child?.pid ?? 0,
    async start() {
      const started = spawn(program, ['-W', '-f', file], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
      child = started
      started.stderr.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-20_000)
      })
      await eventually(10_000, 'HAProxy to listen', async () => {
        if (started.exitCode !== null) throw new Error(log)
        return existsSync(operators) && (await runtime(operators, 'show info')).includes('Pid:') ? undefined : log
      })
    },
    kill: () => kill('SIGKILL'),
    command: (command) => runtime(operators, command),
    log: () => log,
    async stop() {
      await kill('SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One command, one connection. */
export function runtime(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${command}\n`))
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
    socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer to ${command}`)))
  })
}

/** Servers at 127.0.0.31, 127.0.0.32, … on one port, each answering with its address. */
export async function backends(count: number): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await freePort('127.0.0.31')
  const servers: HttpServer[] = []
  for (let index = 0; index < count; index++) {
    const host = `127.0.0.${31 + index}`
    const server = createServer((_, response) => response.end(host))
    server.listen(port, host)
    await once(server, 'listening')
    servers.push(server)
  }
  return {
    port,
    async stop() {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}

/** A server that keeps every connection, and counts them. */
export async function holder(
  host: string,
  port: number,
): Promise<{ readonly server: Server; readonly open: Set<unknown> }> {
  const open = new Set<unknown>()
  const server = createTcpServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => {})
    socket.on('data', (chunk) => socket.write(chunk))
  })
  server.listen(port, host)
  await once(server, 'listening')
  return { server, open }
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port

export interface Load {
  /** By what was answered. */
  readonly answers: Map<string, number>
  readonly errors: string[]
  stop(): Promise<void>
}

/** Some clients that ask without a pause, each request over a connection of its own unless `keepAlive`. */
export function load(port: number, clients: number, keepAlive = false): Load {
  const answers = new Map<string, number>()
  const errors: string[] = []
  let running = true
  const one = async () => {
    while (running) {
      try {
        const reply = await fetch(`http://127.0.0.1:${port}/`, {
          headers: keepAlive ? {} : { connection: 'close' },
          signal: AbortSignal.timeout(10_000),
        })
        const text = await reply.text()
        if (reply.ok) answers.set(text, (answers.get(text) ?? 0) + 1)
        else errors.push(`${reply.status}`)
      } catch (error) {
        errors.push(String((error as Error).cause ?? error))
      }
      await pause(2)
    }
  }
  const all = Promise.all(Array.from({ length: clients }, one))
  return {
    answers,
    errors,
    async stop() {
      running = false
      await all
    },
  }
}

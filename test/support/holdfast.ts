/**
 * A whole deployment of one's own: `holdfast up` with real processes on free loopback ports, in a folder
 * that is removed afterwards. Asked with `dig` and changed with `nsupdate`, as anybody else would.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startMarkOf } from '../../src/cli/processes.ts'
import { freePort } from './ports.ts'

const root = join(import.meta.dirname, '..', '..')
const main = join(root, 'src', 'cli', 'main.ts')
const node = [process.execPath, '--disable-warning=ExperimentalWarning'] as const

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, at most 60 s. */
export function ran(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      [...args],
      { cwd: options.cwd ?? root, env: options.env ?? process.env, timeout: 60_000, maxBuffer: 32 * 1024 * 1024 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
    )
    // A program that ends without reading its input is none of our business.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })
}

/** `holdfast ARGS`. */
export const holdfast = (
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> => ran(node[0], [...node.slice(1), main, ...args], options)

export interface Ports {
  readonly dns: number
  readonly serverHttp: number
  readonly http: number
  readonly service: number
}

export interface DeploymentOptions {
  /** The configuration's folder, which is copied; the quickstart when absent. Its file is `holdfast.yaml`. */
  readonly from?: string
  /** Changes the text of the configuration after its ports were replaced. */
  readonly edit?: (yaml: string, ports: Ports) => string
}

export interface Program {
  readonly name: string
  readonly pid: number | null
  readonly state: string
  readonly restarts: number
}

export interface Deployment {
  readonly folder: string
  /** Absolute path of the configuration. */
  readonly config: string
  readonly ports: Ports
  /** `http://127.0.0.1:PORT` of `up`. */
  readonly http: string
  /** The process id of `up`; it changes when it is started again. */
  pid(): number
  /** Starts `up`, and resolves when all of it is ready. */
  up(...args: string[]): Promise<void>
  /** `kill -9` of the control process alone; resolves when it and the roles that hang on it are gone. */
  killUp(): Promise<void>
  /** The programs as `up` sees them. */
  programs(): Promise<readonly Program[]>
  program(name: string): Promise<Program>
  /** `kill -9` by name; returns the pid that it had. */
  kill(name: string, signal?: NodeJS.Signals): Promise<number>
  /** What `dig +short` prints, in lines. Throws if there was no answer. */
  dig(name: string, type?: string): Promise<readonly string[]>
  /** All addresses of the name, read with the key (an ordinary answer leaves some out by weight), sorted. */
  addresses(name: string): Promise<readonly string[]>
  /** Lines for `nsupdate`, between `server` and `send`. */
  nsupdate(...lines: string[]): Promise<Ran>
  cli(...args: string[]): Promise<Ran>
  /** `holdfast ARGS --json`, parsed. */
  json<Document>(...args: string[]): Promise<Document>
  /** What `up` wrote so far, of all its lives. */
  log(): string
  /** Ends everything and removes the folder. */
  stop(): Promise<void>
}

/** Makes the folder; `up()` starts it. */
export async function deployment(options: DeploymentOptions = {}): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'))
  cpSync(options.from ?? join(root, 'examples', 'quickstart'), folder, {
    recursive: true,
    filter: (path) => !/[/\\]state$/.test(path),
  })
  const ports: Ports = {
    dns: await freePort(),
    serverHttp: await freePort(),
    http: await freePort(),
    service: await freePort('127.0.0.11'),
  }
  const config = join(folder, 'holdfast.yaml')
  const replaced = readFileSync(config, 'utf8')
    .replaceAll('127.0.0.1:5300', `127.0.0.1:${ports.dns}`)
    .replaceAll('127.0.0.1:9653', `127.0.0.1:${ports.serverHttp}`)
    .replaceAll('127.0.0.1:9600', `127.0.0.1:${ports.http}`)
    .replaceAll('8080', String(ports.service))
  writeFileSync(config, options.edit?.(replaced, ports) ?? replaced)
  return new Running(folder, config, ports)
}

class Running implements Deployment {
  readonly folder: string
  readonly config: string
  readonly ports: Ports
  readonly http: string
  #control: ChildProcess | undefined
  #log = ''

  constructor(folder: string, config: string, ports: Ports) {
    this.folder = folder
    this.config = config
    this.ports = ports
    this.http = `http://127.0.0.1:${ports.http}`
  }

  pid(): number {
    return this.#control?.pid ?? 0
  }

  async up(...args: string[]): Promise<void> {
    const [program, ...first] = node
    const control = spawn(program, [...first, main, 'up', this.config, ...args], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#control = control
    for (const stream of [control.stdout, control.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-200_000)
      })
    await eventually(30_000, 'all of it to be ready', async () => {
      if (control.exitCode !== null) throw new Error(`up ended with exit code ${control.exitCode}:\n${this.#log}`)
      const ready = await fetch(`${this.http}/readyz`)
      return ready.ok ? undefined : await ready.text()
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#log}`)
    })
  }

  async killUp(): Promise<void> {
    const roles = (await this.programs()).filter(({ name }) => /^(?:planner|enactor|prober)-/.test(name))
    const control = this.#control
    if (control === undefined) return
    const ended = once(control, 'exit')
    control.kill('SIGKILL')
    await ended
    this.#control = undefined
    await eventually(5000, 'the roles to leave with their parent', async () => {
      const left = roles.filter(({ pid }) => pid !== null && startMarkOf(pid) !== undefined)
      return left.length === 0 ? undefined : left.map(({ name }) => name).join(', ')
    })
  }

  async programs(): Promise<readonly Program[]> {
    const reply = await fetch(`${this.http}/healthz`)
    return ((await reply.json()) as { programs: Program[] }).programs
  }

  async program(name: string): Promise<Program> {
    const found = (await this.programs()).find((program) => program.name === name)
    if (found === undefined) throw new Error(`expected a program ${name}, found none`)
    return found
  }

  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<number> {
    const { pid } = await this.program(name)
    if (pid === null) throw new Error(`expected ${name} to run, found that it does not`)
    process.kill(pid, signal)
    return pid
  }

  async dig(name: string, type = 'A'): Promise<readonly string[]> {
    return await this.#digged([name, type])
  }

  async addresses(name: string): Promise<readonly string[]> {
    return (await this.#digged(['-y', this.#key(), name, 'A'])).toSorted()
  }

  async #digged(args: readonly string[]): Promise<readonly string[]> {
    const { code, stdout } = await ran('dig', [
      '@127.0.0.1',
      '-p',
      String(this.ports.dns),
      '+short',
      '+tries=1',
      '+time=1',
      ...args,
    ])
    if (code !== 0 || stdout.startsWith(';;')) throw new Error(`dig ${args.join(' ')}: exit code ${code}: ${stdout}`)
    return stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';'))
  }

  #key(): string {
    return `hmac-sha256:holdfast:${readFileSync(join(this.folder, 'state', 'tsig.key'), 'utf8').trim()}`
  }

  async nsupdate(...lines: string[]): Promise<Ran> {
    const input = [`server 127.0.0.1 ${this.ports.dns}`, 'zone example.test', ...lines, 'send', ''].join('\n')
    return await ran('nsupdate', ['-t', '5', '-y', this.#key()], { input })
  }

  async cli(...args: string[]): Promise<Ran> {
    return await holdfast(['--config', this.config, ...args], { cwd: this.folder })
  }

  async json<Document>(...args: string[]): Promise<Document> {
    const { stdout, stderr } = await this.cli(...args, '--json')
    try {
      return JSON.parse(stdout)
    } catch {
      throw new Error(`holdfast ${args.join(' ')} --json: expected JSON, found ${stdout}${stderr}`)
    }
  }

  log(): string {
    return this.#log
  }

  async stop(): Promise<void> {
    const control = this.#control
    if (control !== undefined && control.exitCode === null && control.signalCode === null) {
      const ended = once(control, 'exit')
      control.kill('SIGINT')
      const late = setTimeout(() => control.kill('SIGKILL'), 15_000)
      await ended
      clearTimeout(late)
    }
    endRecorded(join(this.folder, 'state', 'run'))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Ends programs that outlived `up`, by the records that name exactly these processes. */
function endRecorded(folder: string): void {
  if (!existsSync(folder)) return
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const { pid, mark } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { pid: number; mark: string }
    if (startMarkOf(pid) === mark) process.kill(pid, 'SIGKILL')
  }
}

/** Tries until `look` returns undefined; what it returned or threw last is in the error after `ms`. Returns how long it took, in ms. */
export async function eventually(ms: number, what: string, look: () => Promise<string | undefined>): Promise<number> {
  const started = performance.now()
  for (;;) {
    let found: string | undefined
    try {
      found = await look()
    } catch (error) {
      found = error instanceof Error ? error.message : String(error)
    }
    const took = performance.now() - started
    if (found === undefined) return took
    if (took > ms) throw new Error(`expected ${what} within ${ms} ms, found ${found}`)
    await pause(20)
  }
}

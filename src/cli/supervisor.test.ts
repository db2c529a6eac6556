import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Problem } from '../base/problem.ts'
import { startMarkOf } from './processes.ts'
import { backoffMs, type ProgramSpec, type ProgramView, type Supervisor, superviseAll } from './supervisor.ts'

let folder = ''
let running: Supervisor[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-supervisor-'))
})
afterEach(async () => {
  await Promise.all(running.map((supervisor) => supervisor.stop(() => false)))
  running = []
  rmSync(folder, { recursive: true, force: true })
})

const ready = `process.send?.({ ready: true, http: 'http://127.0.0.1:1' });`
const stays = `setInterval(() => {}, 1000);`
const leavesWithParent = `process.on('disconnect', () => process.exit(0));`

function spec(name: string, kind: ProgramSpec['kind'], code: string): ProgramSpec {
  const detached =
    kind === 'role'
      ? null
      : { log: join(folder, `${name}.log`), record: join(folder, 'run', `${name}.json`), fingerprint: code }
  return { name, kind, command: [process.execPath, '-e', code], cwd: folder, env: process.env, detached }
}

interface Seen {
  readonly supervisor: Supervisor
  readonly changes: { readonly program: ProgramView; readonly what: string }[]
  readonly lines: string[]
  readonly problems: Problem[]
  /** Resolves with the first view, past or coming, that holds. */
  until(holds: (program: ProgramView) => boolean): Promise<ProgramView>
}

function supervise(...specs: ProgramSpec[]): Seen {
  const waiting: { holds: (program: ProgramView) => boolean; resolve: (program: ProgramView) => void }[] = []
  const seen: Omit<Seen, 'supervisor' | 'until'> = { changes: [], lines: [], problems: [] }
  const supervisor = superviseAll(specs, {
    changed(program, what) {
      seen.changes.push({ program, what })
      for (const { holds, resolve } of waiting) if (holds(program)) resolve(program)
    },
    line: (_program, text) => seen.lines.push(text),
    refused: (_program, problem) => seen.problems.push(problem),
  })
  running.push(supervisor)
  return {
    ...seen,
    supervisor,
    until: (holds) =>
      new Promise((resolve) => {
        const past = seen.changes.find(({ program }) => holds(program))
        if (past === undefined) waiting.push({ holds, resolve })
        else resolve(past.program)
      }),
  }
}

const pidOf = (program: ProgramView): number => program.pid ?? 0

test('pauses double and have an end', () => {
  expect([1, 2, 3, 4, 100].map(backoffMs)).toEqual([250, 500, 1000, 2000, 10_000])
})

test('a role that is killed is started again, and says where its metrics are', async () => {
  const seen = supervise(spec('enactor-1', 'role', ready + stays + leavesWithParent))
  const first = await seen.until(({ state }) => state === 'running')
  expect(first.http).toBe('http://127.0.0.1:1')
  process.kill(pidOf(first), 'SIGKILL')
  const waiting = await seen.until(({ state }) => state === 'waiting')
  expect(waiting).toMatchObject({ pid: null, ended: 'signal SIGKILL' })
  const second = await seen.until(({ state, restarts }) => state === 'running' && restarts === 1)
  expect(second.pid).not.toBe(first.pid)
})

test('a companion that ends stays gone', async () => {
  const seen = supervise(spec('east', 'companion', stays))
  const started = await seen.until(({ state }) => state === 'running')
  process.kill(pidOf(started), 'SIGKILL')
  const gone = await seen.until(({ state }) => state === 'gone')
  expect(gone.pid).toBeNull()
  expect(seen.supervisor.programs()[0]?.state).toBe('gone')
})

test('a server outlives its supervisor and is adopted by the next, unless it was started otherwise', async () => {
  const code = ready + stays
  // As `run server` does: it writes its own record.
  const first = supervise(spec('server', 'companion', code))
  const started = await first.until(({ state }) => state === 'running')
  await first.supervisor.stop(() => true)
  expect(startMarkOf(pidOf(started))).toBeDefined()

  const second = supervise(spec('server', 'companion', code))
  const adopted = await second.until(({ state }) => state === 'running')
  expect(adopted).toMatchObject({ pid: started.pid, adopted: true })
  await second.supervisor.stop(() => true)

  const third = supervise(spec('server', 'companion', `${code} 1`))
  const replaced = await third.until(({ state }) => state === 'running')
  expect(replaced.pid).not.toBe(started.pid)
  expect(startMarkOf(pidOf(started))).toBeUndefined()
})

test('an adopted program that dies is noticed', async () => {
  const code = ready + stays
  const first = supervise(spec('server', 'companion', code))
  const started = await first.until(({ state }) => state === 'running')
  await first.supervisor.stop(() => true)
  const second = supervise(spec('server', 'companion', code))
  await second.until(({ adopted }) => adopted)
  process.kill(pidOf(started), 'SIGKILL')
  await second.until(({ state }) => state === 'gone')
})

test('a program that cannot start says why, and is not taken for running', async () => {
  const problem = { kind: 'problem', at: 'port 53', expected: 'a free port', found: 'one in use', todo: 'change it' }
  const code = `process.send({ problem: ${JSON.stringify(problem)} }, () => process.exit(4))`
  const seen = supervise(spec('server', 'server', code))
  const waiting = await seen.until(({ state }) => state === 'waiting')
  expect(seen.problems).toEqual([problem])
  expect(waiting.ended).toContain('port 53: expected a free port, found one in use; change it')
})

test('a command that does not exist is told, not thrown', async () => {
  const seen = supervise({ ...spec('east', 'companion', ''), command: ['/does/not/exist'] })
  const gone = await seen.until(({ state }) => state === 'gone')
  expect(gone.ended).toContain('could not be started')
})

test('what a role writes arrives line by line; what a detached program writes stands in its log', async () => {
  const seen = supervise(
    spec('planner-1', 'role', `console.error('one\\ntwo'); ${ready}${stays}`),
    spec('east', 'companion', `console.log('hello'); ${stays}`),
  )
  await seen.until(({ name, state }) => name === 'planner-1' && state === 'running')
  await expect.poll(() => seen.lines).toEqual(['one', 'two'])
  await expect.poll(() => readFileSync(join(folder, 'east.log'), 'utf8')).toBe('hello\n')
})

test('stop ends everything, also what ignores SIGTERM for a while', async () => {
  const seen = supervise(
    spec('enactor-1', 'role', `process.on('SIGTERM', () => setTimeout(() => process.exit(0), 100)); ${ready}${stays}`),
    spec('east', 'companion', stays),
  )
  const role = await seen.until(({ name, state }) => name === 'enactor-1' && state === 'running')
  const companion = await seen.until(({ name, state }) => name === 'east' && state === 'running')
  await seen.supervisor.stop(() => false)
  expect(startMarkOf(pidOf(role))).toBeUndefined()
  expect(startMarkOf(pidOf(companion))).toBeUndefined()
})

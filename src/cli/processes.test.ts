import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holdState, removeRecord, runningRecord, startMarkOf, writeRecord } from './processes.ts'

let folder = ''
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-processes-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function sleeper(): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  children.push(child)
  return child
}

test('a process is known by its pid and when it started; a dead one is none', async () => {
  const child = sleeper()
  const mark = startMarkOf(child.pid ?? 0)
  expect(mark).toMatch(/./)
  expect(startMarkOf(child.pid ?? 0)).toBe(mark)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(startMarkOf(child.pid ?? 0)).toBeUndefined()
})

test('a record counts while that very process runs, and is for its owner alone', async () => {
  const child = sleeper()
  const pid = child.pid ?? 0
  const path = join(folder, 'run', 'server.json')
  const record = { name: 'server', pid, mark: startMarkOf(pid) ?? '', fingerprint: 'f', http: null, started: 1 }
  writeRecord(path, record)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(runningRecord(path)).toEqual(record)
  writeRecord(path, { ...record, mark: 'another life' })
  expect(runningRecord(path)).toBeUndefined()
  writeRecord(path, record)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(runningRecord(path)).toBeUndefined()
  removeRecord(path)
  expect(existsSync(path)).toBe(false)
  expect(runningRecord(path)).toBeUndefined()
})

test('one holder per state folder; the second is told who it is; free again when released', async () => {
  const first = await holdState(folder)
  expect(first.kind).toBe('held')
  const second = await holdState(folder)
  expect(second).toEqual({ kind: 'taken', by: `pid ${process.pid}` })
  if (first.kind === 'held') first.release()
  const third = await holdState(folder)
  expect(third.kind).toBe('held')
  if (third.kind === 'held') third.release()
})

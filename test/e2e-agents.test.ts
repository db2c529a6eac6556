/** An agent that speaks against its target takes it out of DNS through the gates, and cannot bring more down. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Deployment, deployment, eventually } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'

const name = 'db.example.test'
const all = ['127.0.0.11', '127.0.0.12', '127.0.0.13']
const token = 'f'.repeat(32)
let running: Deployment
let intake = 0

beforeAll(async () => {
  intake = await freePort()
  running = await deployment({
    edit: (yaml) =>
      `${yaml}\nprober: { site: here }\nintake:\n  listen: 127.0.0.1:${intake}\n  agents: { fleet: { token: { file: fleet.token } } }\n`,
  })
  writeFileSync(join(running.folder, 'fleet.token'), `${token}\n`, { mode: 0o600 })
  await running.up('--plain')
  await addresses(all)
})
afterAll(() => running.stop())

const addresses = (expected: readonly string[]) =>
  eventually(30_000, `${name} to answer ${expected.join(' ')}`, async () => {
    const found = await running.addresses(name)
    return found.join() === expected.join() ? undefined : found.join(' ')
  })

let sequence = Date.now()
async function post(state: string, ...targets: string[]): Promise<number> {
  const sentAt = new Date().toISOString()
  const body = targets.map((target) => ({ pool: 'web', target, state, sentAt, sequence: sequence++ }))
  const reply = await fetch(`http://127.0.0.1:${intake}/v1/observations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return reply.status
}

test('an agent takes its target out, and one that lies about all of them does not take all', async () => {
  let said: readonly string[] = ['west']
  expect(await post('not-ready', ...said)).toBe(200)
  const again = setInterval(() => void post('not-ready', ...said), 1_000)
  try {
    await addresses(all.filter((address) => address !== '127.0.0.12'))
    const { programs } = await running.json<{ programs: { id: string; note: string }[] }>('status')
    expect(programs.find(({ id }) => id === 'intake-1')?.note).toBe(
      `takes observations of 1 agent at http://127.0.0.1:${intake}`,
    )
    said = ['east', 'west', 'north']
    const until = Date.now() + 12_000
    while (Date.now() < until) {
      expect((await running.addresses(name)).length).toBeGreaterThanOrEqual(2)
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  } finally {
    clearInterval(again)
  }
})

test('a wrong token, a foreign program on the port', async () => {
  const reply = await fetch(`http://127.0.0.1:${intake}/v1/observations`, { method: 'POST', body: '{}' })
  expect(reply.status).toBe(401)
  const second = await running.cli('run', 'intake', '--id', 'intake-2')
  expect(second.code).not.toBe(0)
  expect(second.stderr).toContain('the port is in use by another program')
  expect(running.log()).not.toContain(token)
})

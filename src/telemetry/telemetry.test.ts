import { expect, test } from 'vitest'
import { isProblem } from '../base/problem.ts'
import { describeEvent, levelOf } from './events.ts'
import { serveTelemetry } from './http.ts'
import { openLog, parseLogLine } from './log.ts'
import { mergeMetrics } from './merge.ts'
import { metricsOf } from './metrics.ts'

test('a log line is JSON with its level, and can be read back; fields named secret are blanked', () => {
  const lines: string[] = []
  const log = openLog('enactor-1', 'info', { write: (text: string) => void lines.push(text) })
  log.event({
    event: 'enact.repaired',
    name: 'db.example.test.',
    zone: 'example.test.',
    generation: 4,
    plan: 4,
    why: 'drift',
  })
  log.event({ event: 'enact.claimed', generation: 4 })
  log.event({ event: 'strange.happened', secret: 'c2VjcmV0' })
  expect(lines).toHaveLength(2)
  expect(lines.join('')).not.toContain('c2VjcmV0')
  const parsed = parseLogLine(lines[0] ?? '')
  expect(parsed).toMatchObject({
    level: 'warn',
    program: 'enactor-1',
    event: { event: 'enact.repaired', generation: 4 },
  })
  expect(parsed === undefined ? '' : describeEvent(parsed.event)).toBe(
    'db.example.test was changed by somebody else: repaired (drift)',
  )
})

test('what is not such a line is told apart', () => {
  for (const text of ['', 'Error: boom', '{', '{}', '{"time":1}']) expect(parseLogLine(text)).toBeUndefined()
})

test('an event that this version does not know is shown as it is', () => {
  expect(describeEvent({ event: 'new.thing', a: 1, b: true })).toBe('new.thing a=1 b=true')
  expect(levelOf({ event: 'new.thing' })).toBe('info')
})

test('events count, by zone and reason, under the program and its role', async () => {
  const metrics = metricsOf({ program: 'enactor-2', role: 'enactor', version: '1' })
  metrics.event({ event: 'enact.conflicted', zone: 'example.test.', name: 'db.example.test.', reason: 'x' })
  metrics.event({ event: 'enact.fenced', zone: 'example.test.', name: 'db.example.test.', mine: 1, theirs: 2 })
  metrics.event({ event: 'enact.completed', zone: 'example.test.', plan: 7 })
  metrics.event({ event: 'enact.store_lost', reason: 'x', retryMs: 1 })
  const page = await metrics.page()
  const labels = 'program="enactor-2",role="enactor"'
  expect(page).toContain(`holdfast_conflicts_total{zone="example.test.",${labels}} 1`)
  expect(page).toContain(`holdfast_fence_refusals_total{zone="example.test.",${labels}} 1`)
  expect(page).toContain(`holdfast_enacted_generation{zone="example.test.",${labels}} 7`)
  expect(page).toContain(`holdfast_store_up{${labels}} 0`)
})

test('every way of losing and finding the store shows in holdfast_store_up', async () => {
  const planner = metricsOf({ program: 'planner-1', role: 'planner', version: '1' })
  const up = async () => /^holdfast_store_up\{.*\} (\d)$/m.exec(await planner.page())?.[1]
  for (const [event, expected] of [
    [{ event: 'plan.store_failed', reason: 'x', retryMs: 1 }, '0'],
    [{ event: 'plan.held', reason: 'nothing changed' }, '1'],
    [{ event: 'health.store_lost', reason: 'x', retryMs: 1 }, '0'],
    [{ event: 'enact.store_found' }, '1'],
  ] as const) {
    planner.event(event)
    expect(await up(), event.event).toBe(expected)
  }
})

test('a lease manager shows who waits, when it is over, and how the dependency is', async () => {
  const metrics = metricsOf({ program: 'leases-1', role: 'leases', version: '1' })
  const counted = {
    ...{ event: 'leases.counted', known: 100, leased: 60, waiting: 40, inFlight: 4, limit: 8, knee: 6, goodput: 20.4 },
    ...{ drainSeconds: 2.5, shards: 2, reports: 500, requests: 50, granted: 60, downstreamWaiting: 7 },
  }
  metrics.event(counted)
  metrics.event({ ...counted, waiting: 10, drainSeconds: -1, reports: 800, requests: 80, granted: 90 })
  metrics.event({ event: 'leases.dependency', stage: 'leases', from: 'up', to: 'down', waiting: 10 })
  metrics.event({ event: 'leases.not_done', stage: 'leases', outcome: 'timeout', count: 3, why: 'x' })
  metrics.event({ event: 'leases.turned_away', why: 'token', count: 5 })
  const page = await metrics.page()
  const value = (name: string, labels = '') =>
    Number(new RegExp(`^holdfast_leases_${name}\\{${labels}.*\\} (.+)$`, 'm').exec(page)?.[1])
  expect(
    ['hosts', 'leased', 'waiting', 'in_flight', 'limit', 'knee', 'goodput', 'drain_seconds', 'shards'].map((name) =>
      value(name),
    ),
  ).toEqual([100, 60, 10, 4, 8, 6, 20.4, -1, 2])
  expect(['reports_total', 'requests_total', 'granted_total', 'downstream_waiting'].map((name) => value(name))).toEqual(
    [800, 80, 90, 7],
  )
  expect(value('dependency_down', 'stage="leases"')).toBe(1)
  expect(value('not_done_total', 'stage="leases",outcome="timeout"')).toBe(3)
  expect(value('turned_away_total', 'why="token"')).toBe(5)
})

test('merged pages have each metric once, with the samples of all programs', () => {
  const page = (program: string) =>
    `# HELP a_total A.\n# TYPE a_total counter\na_total{program="${program}"} 1\n\n# HELP b B.\n# TYPE b gauge\nb{program="${program}"} 2\n`
  expect(mergeMetrics([page('one'), page('two'), ''])).toBe(
    '# HELP a_total A.\n# TYPE a_total counter\na_total{program="one"} 1\na_total{program="two"} 1\n\n# HELP b B.\n# TYPE b gauge\nb{program="one"} 2\nb{program="two"} 2\n',
  )
})

test('/metrics, /healthz and /readyz answer; not ready is 503; a taken port is a problem with what to do', async () => {
  let ready = false
  const sources = {
    metrics: async () => 'a 1\n',
    health: () => ({ ok: true, pid: 1 }),
    ready: async () => ({ ok: ready, why: 'starting' }),
  }
  const server = await serveTelemetry({ host: '127.0.0.1', port: 0 }, sources)
  if (isProblem(server)) throw new Error(server.found)
  try {
    const metrics = await fetch(`${server.url}/metrics`)
    expect([metrics.status, metrics.headers.get('content-type'), await metrics.text()]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'a 1\n',
    ])
    expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ ok: true, pid: 1 })
    const before = await fetch(`${server.url}/readyz`)
    expect([before.status, await before.json()]).toEqual([503, { ok: false, why: 'starting' }])
    ready = true
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect((await fetch(`${server.url}/secrets`)).status).toBe(404)
    const second = await serveTelemetry({ host: '127.0.0.1', port: Number(new URL(server.url).port) }, sources)
    expect(second).toMatchObject({ kind: 'problem', found: 'the port is in use by another program' })
  } finally {
    await server.close()
  }
})

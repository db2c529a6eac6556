import { expect, test } from 'vitest'
import type { Config } from '../config/config.ts'
import type { Observation } from '../model/observation.ts'
import type { Policy, Pool } from '../model/policy.ts'
import type { ProgramView } from './supervisor.ts'
import { type Known, screenOf } from './up-screen.ts'

const now = 1_000_000

const pool = {
  id: 'web',
  check: { kind: 'tcp', port: 80 },
  intervalMs: 1000,
  targets: [{ id: 'east', site: 'east', addresses: ['127.0.0.11'], capacity: 1 }],
} as unknown as Pool

const east: ProgramView = {
  name: 'east',
  kind: 'companion',
  pid: null,
  state: 'gone',
  since: 0,
  restarts: 0,
  adopted: false,
  ended: 'signal SIGKILL',
  retryAt: null,
  http: null,
}

const seen = (history: string, at: number): Observation =>
  ({
    pool: 'web',
    prober: 'p',
    at,
    complete: true,
    targets: { east: { history, at, detail: 'ok', latencyMs: 1 } },
  }) as unknown as Observation

function screen(observations: readonly Observation[], more: Partial<Known> = {}) {
  const target = { kind: 'serving', since: 0 }
  const head = { generation: 1, at: 0, pools: { web: { capacity: 1, failOpenSince: null, targets: { east: target } } } }
  const policy = { owner: 'test', pools: new Map([['web', pool]]), endpoints: new Map(), zones: new Map() }
  return screenOf({
    config: {
      server: null,
      dir: '/d',
      companions: [{ name: 'east', command: ['node', 's.mjs'] }],
    } as unknown as Config,
    policy: policy as unknown as Policy,
    unusable: null,
    cwd: '/d',
    now,
    started: 0,
    programs: [east],
    snapshot: {
      at: now,
      head,
      progress: [],
      statuses: [],
      overrides: [],
      observations,
    } as unknown as Known['snapshot'],
    outage: null,
    published: [],
    events: [],
    ...more,
  })
}

const startsAgain = (shown: ReturnType<typeof screen>) => shown.tries.some(({ what }) => what === 'start east again')

test('a target that nobody checked lately is not shown as well, though it answers', () => {
  const of = (observations: readonly Observation[]) => screen(observations).pools[0]?.targets[0]
  expect(of([seen('pp', now - 500)])).toMatchObject({ share: 1, mark: 'good', note: 'serving' })
  expect(of([seen('pp', now - 60_000)])).toMatchObject({ share: 1, mark: 'unknown', note: 'serving, health unknown' })
  expect(of([])).toMatchObject({ mark: 'unknown' })
})

test('a companion that ended is left to the operator, unless somebody else has started it', () => {
  const ended = screen([seen('ppf', now - 500)])
  expect(ended.programs).toMatchObject([{ mark: 'bad', note: 'ended, left to you' }])
  expect(startsAgain(ended)).toBe(true)
  const again = screen([seen('ffp', now - 500)])
  expect(again.programs).toMatchObject([{ mark: 'good', note: 'started by hand' }])
  expect(startsAgain(again)).toBe(false)
  expect(screen([seen('ffp', now - 60_000)]).programs).toMatchObject([{ mark: 'bad' }])
})

test('before the first plan no capacity is stated; a file that cannot be used is an alarm', () => {
  const early = screen([], { snapshot: null, unusable: 'holdfast.yaml:3:1: expected YAML' })
  expect(early.pools[0]?.capacity).toBeNull()
  expect(early.alarms).toEqual([expect.stringMatching(/^holdfast\.yaml:3:1.*last good configuration/)])
})

import { expect, test } from 'vitest'
import { fixed, policy } from '../../test/support/planning.ts'
import type { RoleStatus } from '../model/progress.ts'
import type { EpochMs } from '../world/world.ts'
import { ailments, type Snapshot } from './snapshot.ts'

const now = 1_800_000_000_000 as EpochMs
const running = (...roles: RoleStatus['role'][]): Snapshot => ({
  at: now,
  head: undefined,
  progress: [],
  statuses: roles.map((role) => ({ role, id: role, pid: 1, started: now, at: now, http: null, note: '', ails: [] })),
  overrides: [],
  observations: [],
})
const names = policy([], [fixed('static', '198.51.100.1')])
const without = { haproxy: null, leases: null }
const haproxy = { socket: { kind: 'unix', path: '/run/h.sock' }, stateFile: null, pools: [] } as const

test('what the configuration needs is missed, and nothing else', () => {
  expect(ailments(running(), { policy: names, ...without })).toEqual([
    'no planner runs and none ever has',
    'no enactor runs and none ever has',
    'no plan has been published yet',
  ])
  expect(ailments(running('planner', 'enactor'), { policy: names, ...without, haproxy })).toEqual([
    'no balancer runs and none ever has',
    'no plan has been published yet',
  ])
})

test('whoever only looks after leases needs nobody who plans', () => {
  const only = { policy: policy([], []), haproxy: null, leases: {} as never }
  expect(ailments(running('leases'), only)).toEqual([])
  expect(ailments(running(), only)).toEqual(['no lease manager runs and none ever has'])
})

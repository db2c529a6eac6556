/**
 * A fleet comes back to a real PostgreSQL, with real connections on both sides: what the governor does, and
 * that without it the same fleet never returns. `bench/recover-real.ts` measures the same with more of both.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fill, startDatabase, urlOf } from '../bench/recover-real/database.ts'
import { governor, naive } from '../bench/recover-real/policies.ts'
import { best, curveOf, type RealRun, run, type Stage } from '../bench/recover-real/run.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'

const hosts = 3_000
/** A fifth of what the database needs for all of them: then those who wait in a line wait in vain. */
const patienceSeconds = 0.6

describeWith(postgresPrograms, 'a fleet and PostgreSQL', () => {
  let postgres: Postgres | undefined
  let stage: Stage
  let knee = { inFlight: 0, perSecond: 0, timeouts: 0 }

  beforeAll(async () => {
    postgres = await startDatabase('127.0.0.1', await freePort())
    const shape = { hosts, shards: 32, holdMs: 20, rows: 3_000 }
    stage = { postgres, shape, patienceSeconds, clients: 'synchronised', cores: undefined }
    await fill(urlOf(postgres.address, postgres.port), shape)
    knee = best(await curveOf(stage, [64], 1))
  })
  afterAll(() => postgres?.stop())

  const outcome = ({ leasedShare, operations }: RealRun) => ({ leasedShare, operationsPerHost: operations / hosts })

  test('the governor brings all of it back, with hardly an operation in vain', async () => {
    const cold = await run(stage, governor, 'none', knee, 40)
    expect(cold.leasedShare, JSON.stringify(cold)).toBe(1)
    expect(cold.timeoutShare).toBeLessThan(0.02)
    expect(cold.operations).toBeLessThan(1.05 * hosts)
    expect(cold.messagesPerHost).toBeLessThan(10)

    // As long again and more, and from the same start.
    const without = await run(stage, naive, 'none', knee, Math.min(15, 1.5 * cold.t100))
    expect(without.leasedShare, JSON.stringify(without)).toBeLessThan(0.9)
    expect(outcome(without).operationsPerHost).toBeGreaterThan(0)
    expect(without.wasted, 'operations for nobody').toBeGreaterThan(0.1 * without.operations)
  })

  test('the governor needs nobody when the database stands still for five seconds', async () => {
    const hang = await run(stage, governor, 'hang', knee, 50)
    expect(hang.away).toHaveLength(1)
    expect(hang.leasedShare, JSON.stringify(hang)).toBe(1)
    // At most what was in flight when it stopped, and a probe at a time.
    expect(hang.operations).toBeLessThan(1.3 * hosts)
  })
})

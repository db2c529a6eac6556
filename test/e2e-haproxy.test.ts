/** The example with HAProxy as anybody starts it, under a client's constant load, while things die for real. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startMarkOf } from '../src/cli/processes.ts'
import type { Balancing } from '../src/model/haproxy.ts'
import { load } from './support/haproxy.ts'
import { type Deployment, deployment, eventually, holdfast } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'
import { describeWith, findProgram } from './support/programs.ts'

const folder = join(import.meta.dirname, '..', 'examples', 'haproxy')

describeWith(['haproxy'], 'the example with HAProxy', () => {
  let it: Deployment
  let port: number

  beforeAll(async () => {
    port = await freePort()
    it = await deployment({
      from: folder,
      edit: (yaml) =>
        yaml
          .replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`)
          .replaceAll('../quickstart/service.mjs', join(folder, '..', 'quickstart', 'service.mjs'))
          .replace('[haproxy,', `[${findProgram('haproxy')},`),
    })
    const written = readFileSync(join(it.folder, 'haproxy.cfg'), 'utf8')
    writeFileSync(join(it.folder, 'haproxy.cfg'), written.replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`))
    await it.up()
    await until(['east 256 ready', 'north 256 ready', 'west 256 ready'])
  }, 90_000)
  afterAll(async () => {
    await it?.stop()
  })

  const slots = async (): Promise<readonly string[]> => {
    const { balancers } = await it.json<{ balancers: readonly Balancing[] }>('haproxy', 'show')
    const used = balancers[0]?.pools.web?.slots.filter(({ target }) => target !== null) ?? []
    return used.map(({ target, weight, state }) => `${target} ${weight} ${state}`).sort()
  }
  const until = (expected: readonly string[], ms = 30_000) =>
    eventually(ms, expected.join(', '), async () => {
      const found = await slots()
      return found.join() === expected.join() ? undefined : found.join(', ')
    })
  const site = (answer: string) => answer.split(':')[0]

  test('has the configuration that Holdfast writes', async () => {
    const { stdout } = await holdfast(['--config', join(folder, 'holdfast.yaml'), 'haproxy', 'config'])
    expect(stdout.replaceAll(`${folder}/`, '')).toBe(readFileSync(join(folder, 'haproxy.cfg'), 'utf8'))
  })

  test('a target that is killed is noticed by nobody', async () => {
    const clients = load(port, 4)
    await eventually(10_000, 'all to answer', async () => (clients.answers.size === 3 ? undefined : 'fewer'))
    await it.kill('west')
    await until(['east 256 ready', 'north 256 ready', 'west 0 ready'])
    await clients.stop()
    expect(clients.errors).toEqual([])
  })

  test('a second one stays for the floor, or since the checks are not believed: retries make it cheap', async () => {
    const clients = load(port, 4)
    await it.kill('north')
    await eventually(20_000, 'the gates to hold somebody back', async () => {
      const { pools } = await it.json<{ pools: Record<string, { targets: Record<string, { kind: string }> }> }>(
        'status',
      )
      const kinds = Object.values(pools.web?.targets ?? {}).map(({ kind }) => kind)
      return kinds.includes('held') ? undefined : kinds.join()
    })
    await clients.stop()
    const answered = [...clients.answers.values()].reduce((sum, count) => sum + count, 0)
    // Three retries, each at another target than the one before: with two of three dead, one in many finds none.
    expect(clients.errors.filter((error) => error !== '503')).toEqual([])
    expect(clients.errors.length / answered).toBeLessThan(0.05)
    expect((await slots()).filter((slot) => !slot.includes(' 0 ')).length).toBeGreaterThanOrEqual(2)
  })

  test('without all of Holdfast, traffic goes on', async () => {
    const { pid } = await it.program('haproxy')
    await it.killUp()
    const clients = load(port, 2)
    await eventually(10_000, '50 answers', async () => {
      const sum = [...clients.answers.values()].reduce((total, count) => total + count, 0)
      return sum >= 50 ? undefined : `${sum}`
    })
    await clients.stop()
    const answered = [...clients.answers.values()].reduce((total, count) => total + count, 0)
    expect(clients.errors.length / answered).toBeLessThan(0.05)
    expect([...clients.answers.keys()].map(site)).toEqual(['east'])
    expect(pid !== null && startMarkOf(pid) !== undefined).toBe(true)
  })

  test('Holdfast comes back to what HAProxy has', async () => {
    await it.up()
    await eventually(20_000, 'a report of the new balancer', async () => {
      const { balancers } = await it.json<{ balancers: readonly (Balancing & { fresh: boolean })[] }>('haproxy', 'show')
      const [one] = balancers
      return one?.haproxy !== null && one?.fresh === true && one.pools.web?.generation === one.working
        ? undefined
        : 'none'
    })
    const clients = load(port, 2)
    await it.cli('drain', 'web/north', '--reason', 'test', '--no-wait')
    await eventually(20_000, 'north to be drained', async () => {
      const found = await slots()
      return found.includes('north 0 drain') ? undefined : found.join(', ')
    })
    await clients.stop()
    expect(clients.answers.size).toBeGreaterThan(0)
  })
})

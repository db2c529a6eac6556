/** The intake and a real Prometheus: what is scraped becomes the demand of a pool, and ages out. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askPrometheus } from '../src/intake/ask-node.ts'
import { type PrometheusSource, pathOf, readSample, type Sample } from '../src/intake/prometheus.ts'
import { nodeWorld } from '../src/world/node.ts'
import { freePort } from './support/ports.ts'
import { describeWith, findProgram } from './support/programs.ts'

describeWith(['prometheus'], 'a real Prometheus', () => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-prometheus-'))
  const world = nodeWorld({ id: 'intake-1', onTrace: () => {} })
  let exporter: Server
  let prometheus: ChildProcess
  let port = 0
  let page = 'demand{zone="a"} 30\ndemand{zone="b"} 12\n'

  beforeAll(async () => {
    exporter = createServer((_, response) => response.setHeader('content-type', 'text/plain; version=0.0.4').end(page))
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve))
    port = await freePort()
    const target = `127.0.0.1:${(exporter.address() as AddressInfo).port}`
    writeFileSync(
      join(dir, 'prometheus.yml'),
      `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: t\n    static_configs: [{ targets: ["${target}"] }]\n`,
    )
    const args = [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]
    prometheus = spawn(findProgram('prometheus') ?? 'prometheus', args, { stdio: 'ignore' })
  })

  afterAll(async () => {
    if (prometheus.exitCode === null) {
      prometheus.kill('SIGKILL')
      await once(prometheus, 'exit')
    }
    exporter.close()
    rmSync(dir, { recursive: true, force: true })
  })

  async function ask(changes: Partial<PrometheusSource>): Promise<Sample> {
    const source: PrometheusSource = {
      kind: 'prometheus',
      address: { host: '127.0.0.1', port },
      query: 'sum(demand)',
      everyMs: 1_000,
      maxAgeMs: 5_000,
      path: '',
      ...changes,
    }
    const reply = await askPrometheus(world, dir)(source, pathOf(source, 5_000), { connection: 'close' }, 5_000)
    if (reply.kind === 'failure') return { kind: 'none', why: reply.reason }
    return readSample(reply, world.clock.wall(), source.maxAgeMs)
  }

  test('answers one sample, or is not used', async () => {
    await expect.poll(() => ask({}), { timeout: 60_000 }).toMatchObject({ kind: 'sample', value: 42 })
    expect(await ask({ query: 'scalar(sum(demand))' })).toMatchObject({ kind: 'sample', value: 42 })
    expect(await ask({ query: 'demand' })).toEqual({
      kind: 'none',
      why: 'expected one sample, found 2; use sum() in the query',
    })
    expect(await ask({ query: 'sum(nothing)' })).toMatchObject({
      kind: 'none',
      why: expect.stringContaining('found none'),
    })
    expect(await ask({ query: 'sum(' })).toMatchObject({
      kind: 'none',
      why: expect.stringContaining('status 400: invalid parameter "query"'),
    })
    expect(await ask({ query: 'sum(demand) / 0 - sum(demand) / 0' })).toMatchObject({
      why: expect.stringContaining('"NaN"'),
    })
    expect(await ask({ path: '/elsewhere' })).toMatchObject({ kind: 'none' })
  })

  test('does not answer what nobody reports any more', async () => {
    page = 'other 1\n'
    await expect.poll(() => ask({}).then(({ kind }) => kind), { timeout: 20_000 }).toBe('none')
  }, 30_000)
})

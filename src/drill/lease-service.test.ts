/** Hosts of a drill at lease managers that say whatever a test has them say. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Standing } from './fleet.ts'
import { leaseService } from './lease-service.ts'
import type { Service } from './service.ts'

interface Reported {
  readonly id: string
  readonly epoch: number
  readonly proof?: string
}
interface Manager {
  readonly url: string
  readonly reported: Reported[][]
  readonly authorized: Set<string | undefined>
  /** Of the counters that it shows; null: it shows none. */
  counters: object | null
  answer: (host: Reported) => object
  status: number
}

const open: { readonly service: Service[]; readonly servers: Server[] } = { service: [], servers: [] }
afterEach(async () => {
  for (const service of open.service.splice(0)) await service.close()
  for (const server of open.servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function manager(answer: (host: Reported) => object): Promise<Manager> {
  const it = {
    url: '',
    reported: [],
    authorized: new Set(),
    counters: null,
    answer,
    status: 200,
  } as unknown as Manager & {
    url: string
  }
  const server = createServer((request, response) => {
    it.authorized.add(request.headers.authorization)
    if (request.method === 'GET') {
      response.end(JSON.stringify({ allow: true, ...it.counters }))
      return
    }
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => {
      const { hosts } = JSON.parse(text) as { readonly hosts: Reported[] }
      it.reported.push(hosts)
      response.writeHead(it.status, { 'retry-after': '7' })
      response.end(
        JSON.stringify({ now: 1, gen: 1, hosts: hosts.map((host) => ({ id: host.id, ...it.answer(host) })) }),
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.servers.push(server)
  it.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return it
}

function serviceAt(one: Manager): { readonly service: Service; report(count: number): Promise<readonly string[]> } {
  const service = leaseService({
    url: `${one.url}/v1/sync`,
    token: 'the-token-of-the-fleet',
    idOf: (host) => `drill-${host}`,
    bootId: 'boot',
  })
  open.service.push(service)
  return {
    service,
    report: (count) =>
      new Promise((resolve) => {
        const told: [number, Standing, number][] = []
        service.report(
          Array.from({ length: count }, (_, host) => host),
          (...answer) => {
            if (told.push(answer) === count)
              resolve(told.toSorted(([a], [b]) => a - b).map(([host, standing, ms]) => `${host} ${standing} ${ms}`))
          },
        )
      }),
  }
}

const leased = (epoch: number) => ({
  status: 'LEASED',
  epoch,
  ttl: 60_000,
  pollAfterMs: 9_000,
  proof: `proof-${epoch}`,
})

test('hosts go where they are sent, a rack in a request, and show there what they hold', async () => {
  const second = await manager(() => leased(7))
  const first = await manager(({ id }) =>
    id === 'drill-1' ? leased(5) : { status: 'MOVED', pollAfterMs: 30, to: second.url },
  )
  const { report } = serviceAt(first)
  expect(await report(3)).toEqual(['0 moved 30', '1 leased 9000', '2 moved 30'])
  expect(await report(3)).toEqual(['0 leased 9000', '1 leased 9000', '2 leased 9000'])
  await report(3)
  expect(first.reported.map((hosts) => hosts.length)).toEqual([3, 1, 1])
  expect(second.reported.map((hosts) => hosts.map(({ epoch, proof }) => [epoch, proof]))).toEqual([
    [
      [0, undefined],
      [0, undefined],
    ],
    [
      [7, 'proof-7'],
      [7, 'proof-7'],
    ],
  ])
  expect(first.authorized).toEqual(new Set(['Bearer the-token-of-the-fleet']))
  await report(250)
  expect(first.reported.slice(3).map((hosts) => hosts.length)).toEqual([100, 100, 48])
})

test('hosts whose manager is gone come back to the first, and those that hold nothing show nothing', async () => {
  let second: Manager | undefined = await manager(() => leased(7))
  const first = await manager(() =>
    second === undefined
      ? { status: 'STALE', epoch: 9, pollAfterMs: 1 }
      : { status: 'MOVED', pollAfterMs: 1, to: second.url },
  )
  const { report } = serviceAt(first)
  await report(1)
  expect(await report(1)).toEqual(['0 leased 9000'])
  second = undefined
  open.servers[0]?.closeAllConnections()
  await new Promise((closed) => open.servers.shift()?.close(closed))
  expect(await report(1)).toEqual(['0 lost 0'])
  expect(await report(1)).toEqual(['0 lost 1'])
  expect(await report(1)).toEqual(['0 lost 1'])
  expect(first.reported.map(([host]) => host?.epoch)).toEqual([0, 7, 0])
})

test('nobody is sent out of TLS, to nowhere, or round the world', async () => {
  let to = 'nowhere'
  const first = await manager(() => ({ status: 'MOVED', pollAfterMs: 1, to }))
  const { report } = serviceAt(first)
  expect(await report(1)).toEqual(['0 lost 1'])
  to = 'https://127.0.0.1:1'
  expect(await report(1)).toEqual(['0 lost 1'])
  let port = 1
  first.answer = () => ({ status: 'MOVED', pollAfterMs: 1, to: `http://127.0.0.1:${port++}` })
  const told = await report(100)
  expect(told.filter((line) => line.includes('moved'))).toHaveLength(63)
})

test('a busy front door is heard, and one that fails is not', async () => {
  const first = await manager(() => leased(1))
  const { report } = serviceAt(first)
  first.status = 429
  expect(await report(2)).toEqual(['0 later 7000', '1 later 7000'])
  first.status = 500
  expect(await report(2)).toEqual(['0 lost 0', '1 lost 0'])
})

test('what managers did meanwhile is counted together, and nothing if one does not say', async () => {
  const shown = (done: number, timeout: number) => ({ limit: 8, operations: { done, refused: 0, failed: 1, timeout } })
  const second = await manager(() => leased(7))
  const first = await manager(() => ({ status: 'MOVED', pollAfterMs: 1, to: second.url }))
  const { service, report } = serviceAt(first)
  expect([service.work(), service.limit()]).toEqual([null, undefined])
  first.counters = shown(100, 10)
  second.counters = shown(1_000, 0)
  await service.open()
  await report(1)
  await expect.poll(() => service.limit()).toBe(16)
  first.counters = shown(150, 12)
  second.counters = shown(1_003, 1)
  await service.close()
  expect(service.work()).toEqual({ operations: 56, timeouts: 3, failures: 0 })
})

/** The clients of the poll protocol, as programs: our own, and those that others may copy (examples/recover). */
import { afterEach, expect, test } from 'vitest'
import { describeWith } from './support/programs.ts'
import { type SyncHost, syncHosts } from './support/sync-hosts.ts'
import { type Report, type SyncServer, syncServer, type Told } from './support/sync-server.ts'

const token = 'a-token-of-the-whole-fleet'

const leased = (epoch: number, ttl: number, pollAfterMs: number): Told => ({
  host: { status: 'LEASED', epoch, ttl, pollAfterMs, proof: 'proof-0123456789abcdefg' },
})
const pending = (pollAfterMs: number): Told => ({ host: { status: 'PENDING', epoch: 0, ttl: 0, pollAfterMs } })

for (const { name, start, needs } of syncHosts)
  describeWith(needs, `${name} at a lease manager`, () => {
    const open: { close(): Promise<void> }[] = []
    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one.close()
    })
    async function serve(answer: (report: Report, count: number) => Told | 'hang up'): Promise<SyncServer> {
      const server = await syncServer(answer)
      open.push(server)
      return server
    }
    function begin(...servers: readonly [string, ...string[]]): SyncHost {
      const client = start({ servers, token, id: 'h1' })
      open.push(client)
      return client
    }
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
    }

    test('waits, is leased, shows its epoch, and loses the lease by its own clock', async () => {
      const server = await serve((_, count) =>
        count < 3 ? pending(30) : count < 5 ? leased(7, 1_000, 100) : pending(60_000),
      )
      const client = begin(server.url)
      await client.says('leased 7')
      const at = performance.now()
      await client.says('lost')
      // 980 ms from the last of the two reports with a lease, and not before.
      expect(performance.now() - at).toBeGreaterThan(700)
      expect(server.reports.map(({ epoch, proof }) => [epoch, proof])).toEqual([
        [0, ''],
        [0, ''],
        [0, ''],
        [7, 'proof-0123456789abcdefg'],
        [7, 'proof-0123456789abcdefg'],
      ])
      expect(new Set(server.reports.map(({ bootId }) => bootId)).size).toBe(1)
      expect(new Set(server.reports.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${token}`]))
    })

    test('loses the lease at once when another host has its name', async () => {
      const server = await serve((_, count) =>
        count === 1
          ? leased(3, 60_000, 50)
          : { host: { status: 'STALE', epoch: 4, ttl: 0, pollAfterMs: 60_000, reason: 'another started later' } },
      )
      const client = begin(server.url)
      expect((await client.says('lost')).at(-2)).toMatch(/^leased 3/)
    })

    test('follows to the manager that is in charge', async () => {
      const inCharge = await serve(() => leased(9, 60_000, 60_000))
      const other = await serve(() => ({
        host: { status: 'MOVED', epoch: 0, ttl: 0, pollAfterMs: 20, to: inCharge.url },
      }))
      await begin(other.url).says('leased 9')
      expect([other.reports.length, inCharge.reports.length]).toEqual([1, 1])
    })

    test('goes on to the next when a connection breaks, and waits out a busy front door', async () => {
      const busy = await serve((_, count) =>
        count === 1 ? { status: 429, headers: { 'retry-after': '1' } } : leased(2, 60_000, 60_000),
      )
      const broken = await serve(() => 'hang up')
      const client = begin(broken.url, busy.url)
      await until(() => busy.reports.length === 1)
      const at = performance.now()
      await client.says('leased 2')
      expect(performance.now() - at).toBeGreaterThan(900)
      expect(broken.reports.length).toBeGreaterThan(0)
    })
  })

/**
 * A host's side of the lease service: reports when it was told to, knows how long it may count on its lease,
 * follows to the manager that is in charge of it.
 *
 *     import { syncClient } from 'holdfast/recover'
 *
 *     const client = syncClient({ servers: ['http://10.0.0.5:9660'], token, id: hostname(), bootId: randomUUID() })
 *     client.on('leased', ({ epoch }) => startServing(epoch))
 *     client.on('lost', () => stopServing())
 *
 * A lease counts until 98 % of its time have passed on this machine's own clock, from before the report was
 * sent: the clocks' rates may differ by 2 %. That clock stands still while a machine is suspended, which is
 * why whatever the lease protects must look at the epoch, too.
 */
import { type SyncClient, type SyncHostOptions, type SyncRackOptions, syncRack } from './sync-rack.ts'

export type SyncClientOptions = SyncHostOptions & Omit<SyncRackOptions, 'gatherMs'>

/** A rack of one. Reports at once, or within the poll interval that `resume` remembers. */
export function syncClient(options: SyncClientOptions): SyncClient {
  const { servers, token, timeoutMs, port, ...host } = options
  const rack = syncRack({
    servers,
    token,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(port === undefined ? {} : { port }),
  })
  return rack.add(host)
}

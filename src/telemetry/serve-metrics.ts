/** Metrics of the DNS server: it counts by itself, without an event for each query; the numbers are fetched when asked for. */
import type { ServeStats } from '../serve/stats.ts'
import { type Metrics, makerFor } from './metrics.ts'

export function serveMetrics(metrics: Metrics, stats: () => ServeStats): () => void {
  const make = makerFor(metrics.registry)
  const answers = make.counter('answers_total', 'Replies by response code.', ['rcode'])
  const queries = make.counter('queries_total', 'Requests by transport.', ['transport'])
  const updates = make.counter('updates_total', 'Dynamic updates by response code.', ['rcode'])
  const guards = make.counter(
    'guard_refusals_total',
    'Updates refused to keep a name forward and never empty, by rule.',
    ['rule'],
  )
  const signatures = make.counter('signatures_refused_total', 'Requests whose signature did not verify.')
  const refused = make.counter('tcp_refused_total', 'TCP connections over the limit.')
  const connections = make.gauge('tcp_connections', 'TCP connections now.')
  const transfers = make.gauge('transfers_running', 'Zone transfers now.')
  return () => {
    const now = stats()
    // The server's counts only rise, so setting them anew keeps these counters true.
    for (const metric of [answers, queries, updates, guards, signatures, refused]) metric.reset()
    for (const [rcode, count] of Object.entries(now.answers)) answers.inc({ rcode }, count)
    for (const [transport, count] of Object.entries(now.queries)) queries.inc({ transport }, count)
    for (const [rcode, count] of Object.entries(now.updates)) updates.inc({ rcode }, count)
    for (const [rule, count] of Object.entries(now.guards)) guards.inc({ rule }, count)
    signatures.inc(now.signaturesRefused)
    refused.inc(now.tcpRefused)
    connections.set(now.tcpConnections)
    transfers.set(now.transfersRunning)
  }
}

/** Wires the built-in DNS server: from its settings alone, without a store, so that it starts whatever else is broken. */
import { closeSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { describeProblem, isProblem } from '../base/problem.ts'
import { startServer } from '../serve/server.ts'
import { dataFile } from '../store/data-file.ts'
import { serveTelemetry } from '../telemetry/http.ts'
import { openLog } from '../telemetry/log.ts'
import { metricsOf } from '../telemetry/metrics.ts'
import { serveMetrics } from '../telemetry/serve-metrics.ts'
import type { TraceEvent } from '../world/world.ts'
import type { Cli } from './cli.ts'
import { endBy, endNow } from './end.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'
import { usableConfig } from './last-good.ts'
import { type RunOptions, tellParent } from './parent.ts'
import { removeRecord, startMarkOf, writeRecord } from './processes.ts'
import { serverFingerprint } from './programs.ts'
import { serverRecordPath } from './server-health.ts'
import { version } from './version.ts'

export async function runServer(cli: Cli, path: string, options: RunOptions): Promise<never> {
  const { config, fellBack } = usableConfig(cli, path, options.lastGood, true)
  letGoOf(dataFile(config.store.path))
  const { server: settings } = config
  if (settings === null)
    fail(
      exit.config,
      path,
      'a "server" section',
      'none',
      'add one, or leave the built-in server out and run the other roles only',
    )
  for (const { key, file } of config.generate)
    fail(
      exit.config,
      file,
      `the secret of the key ${key}`,
      'no such file',
      'run "holdfast up" once, which makes it, or write it yourself',
    )

  const log = openLog(options.id, options.log)
  const metrics = metricsOf({ program: options.id, role: 'server', version })
  const trace = (event: TraceEvent) => {
    metrics.event(event)
    log.event(event)
  }
  if (fellBack !== null) trace({ event: 'program.fell_back', reason: describeProblem(fellBack) })
  const server = await startServer(settings, trace)
  if (isProblem(server)) throw new CliFailure(exit.unreachable, [server])

  const started = Date.now()
  const refresh = serveMetrics(metrics, () => server.stats())
  const address = options.http ?? config.serverHttp
  const http =
    address === null
      ? null
      : await serveTelemetry(address, {
          metrics() {
            refresh()
            return metrics.page()
          },
          health: () => ({
            ok: true,
            role: 'server',
            id: options.id,
            pid: process.pid,
            version,
            state: config.state,
            started: new Date(started).toISOString(),
          }),
          ready: async () => ({ ok: true }),
        })
  if (isProblem(http)) {
    await server.close()
    throw new CliFailure(exit.unreachable, [http])
  }
  const url = http?.url ?? null
  const record = serverRecordPath(config)
  writeRecord(record, {
    name: 'server',
    pid: process.pid,
    mark: startMarkOf(process.pid) ?? '',
    fingerprint: serverFingerprint(config),
    http: url,
    started,
  })
  trace({ event: 'program.started', role: 'server', version, node: process.version, pid: process.pid, http: url ?? '' })
  tellParent({ ready: true, http: url })
  process.on('uncaughtException', (error) => {
    trace({ event: 'program.failed', reason: error.stack ?? error.message })
    endNow()
  })
  return await new Promise<never>(() => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        trace({ event: 'program.stopped', why: signal })
        removeRecord(record)
        setTimeout(endNow, closeWithinMs)
        void server.close().finally(() => endBy(signal))
      })
  })
}

const closeWithinMs = 3000

/**
 * Closes a file that was inherited open: LMDB's, from `up`, which this may outlive. A store that was moved away would
 * keep its place on the disk for as long as DNS is served.
 */
function letGoOf(file: string): void {
  try {
    const real = realpathSync(file)
    for (const fd of readdirSync('/proc/self/fd')) if (readlinkOf(`/proc/self/fd/${fd}`) === real) closeSync(Number(fd))
  } catch {
    // No store, or no /proc: then there is nothing to let go of, or no way to know.
  }
}

function readlinkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

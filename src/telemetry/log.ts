/**
 * Structured logs, made from trace events and nothing else: one JSON object a line on standard error.
 * Secrets have no way in (events are flat fields chosen by hand); fields whose name says secret are
 * blanked all the same.
 */
import pino from 'pino'
import type { TraceEvent } from '../world/world.ts'
import { crowd } from './crowd.ts'
import { levelOf } from './events.ts'
import type { Level } from './level.ts'
import type { CliEvent } from './program-events.ts'

export interface Log {
  event(event: TraceEvent): void
  /** Writes out what is buffered; the process may end after it. */
  flush(): void
}

const secretFields = ['secret', 'password', 'token', 'key.secret', '*.secret', '*.password', '*.token']

/** Lines of one kind a second, save errors: a crowd says no more than its number. */
const linesPerSecond = 20

/** Writes events of at least `level` to `destination` (default: standard error, without a buffer that a crash would lose). */
export function openLog(
  program: string,
  level: Level,
  destination: pino.DestinationStream = pino.destination({ fd: 2, sync: true }),
): Log {
  // Whoever read the log may have gone before us: that must not end a program.
  if ('on' in destination && typeof destination.on === 'function') destination.on('error', () => {})
  const log = pino(
    {
      level,
      base: { program },
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields, censor: '[redacted]' },
    },
    destination,
  )
  const events = crowd(linesPerSecond)
  let isDue = false
  const tell = () => {
    isDue = false
    for (const { kind, count } of events.leftOut(performance.now()))
      log.info({ event: 'program.left_out', kind, count } satisfies CliEvent)
  }
  return {
    event(event) {
      const severity = levelOf(event)
      if (!log.isLevelEnabled(severity)) return
      if (severity === 'error' || events.admits(event.event, performance.now())) log[severity](event)
      else if (!isDue) {
        isDue = true
        setTimeout(tell, 1_000).unref()
      }
    },
    flush: () => log.flush(),
  }
}

/** One line of such a log, read back; undefined for anything else, such as a crash report. */
export interface LogLine {
  readonly time: number
  readonly level: Level
  readonly program: string
  readonly event: TraceEvent
}

export function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const { time, level, program, ...event } = JSON.parse(text) as Record<string, unknown>
    if (typeof time !== 'number' || typeof program !== 'string' || typeof event.event !== 'string') return undefined
    return { time, level: level as Level, program, event: event as TraceEvent }
  } catch {
    return undefined
  }
}

/** How late this program's own event loop runs: what it measures meanwhile is measured by a slow clock. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 20

/**
 * The median delay in milliseconds since the reading before the last. The median, because one long turn
 * (a start, a collection of garbage, a busy neighbour) spoils a check or two, which `fall` is there to
 * forgive; it is a loop that is always late that cannot judge. Two histograms in turn, because one that
 * was just reset has seen too little.
 */
export function watchLoopDelay(): () => number {
  const monitors = [0, 1].map(() => monitorEventLoopDelay({ resolution: resolutionMs }))
  for (const monitor of monitors) monitor.enable()
  let turn = 0
  return () => {
    const longer = monitors.reduce((one, other) => (other.count > one.count ? other : one))
    const median = longer.count === 0 ? 0 : longer.percentile(50) / 1e6 - resolutionMs
    monitors[turn++ % monitors.length]?.reset()
    return Math.max(0, median)
  }
}

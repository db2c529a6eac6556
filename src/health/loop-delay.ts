/** How late this program's own event loop runs: what it measures meanwhile is measured by a slow clock. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 20

/**
 * The longest delay in milliseconds since the reading before the last. Two histograms in turn, because
 * one that was just reset does not see a delay that begins at once.
 */
export function watchLoopDelay(): () => number {
  const monitors = [0, 1].map(() => monitorEventLoopDelay({ resolution: resolutionMs }))
  for (const monitor of monitors) monitor.enable()
  let turn = 0
  return () => {
    const longest = Math.max(...monitors.map((monitor) => monitor.max / 1e6 - resolutionMs))
    monitors[turn++ % monitors.length]?.reset()
    return Math.max(0, longest)
  }
}

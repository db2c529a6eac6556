/** What a drill found. Pure. */
export interface Second {
  /** Hosts that hold a lease at its end, and know it. */
  readonly leased: number
  /** Leases that hosts learned of in it. */
  readonly goodput: number
  /** Allowed in flight at its end; undefined for a service that does not say. */
  readonly limit?: number
}

export interface Work {
  readonly operations: number
  readonly timeouts: number
  readonly failures: number
}

export interface DrillReport {
  readonly kind: 'drill'
  readonly hosts: number
  readonly dependency: string
  /** When the dependency was taken away and when it was back, in seconds from the start. */
  readonly takenAwayAt: number
  readonly backAt: number
  /** Seconds from its return; null: never, in the time that was given. */
  readonly t50: number | null
  readonly t99: number | null
  readonly t100: number | null
  readonly leased: number
  readonly messagesPerHost: number
  /** Reports that were not answered, or turned away. */
  readonly lost: number
  /** At the dependency; null for a lease service that does not say. Of one that does: also for other hosts. */
  readonly work: Work | null
  /** Operations that came to nothing, as a share; null where nobody knows. */
  readonly wastedShare: number | null
  /** Leases a second, in the best 5 s: what the dependency could do at least. */
  readonly bestPerSecond: number
  /** Hosts by that: no recovery here was faster; and the time to 99 % as a multiple of it. */
  readonly boundSeconds: number | null
  readonly t99OverBound: number | null
  /** Leases that hosts got while it was away, from 3 s after it was taken: then it was not really away. */
  readonly leasedWhileAway: number
  readonly isInterrupted: boolean
  /** From the start. */
  readonly seconds: readonly Second[]
}

const windowSeconds = 5

/** Mean of the best 5 s in a row. */
export function bestOf(goodput: readonly number[]): number {
  let most = 0
  for (let from = 0; from < goodput.length; from++) {
    const sum = goodput.slice(from, from + windowSeconds).reduce((total, one) => total + one, 0)
    most = Math.max(most, sum / windowSeconds)
  }
  return most
}

export interface Recorded {
  readonly hosts: number
  readonly dependency: string
  readonly takenAwayAt: number
  readonly backAt: number
  /** When so many held a lease for the first time, in seconds from the start; null: never. */
  readonly reached: { readonly half: number | null; readonly most: number | null; readonly all: number | null }
  readonly leased: number
  readonly messages: number
  readonly lost: number
  readonly work: Work | null
  readonly isInterrupted: boolean
  readonly seconds: readonly Second[]
}

export function reportOf(recorded: Recorded): DrillReport {
  const { hosts, dependency, takenAwayAt, backAt, reached, leased, lost, messages, work, isInterrupted, seconds } =
    recorded
  const after = (at: number | null) => (at === null ? null : round(Math.max(0, at - backAt)))
  const bestPerSecond = round(bestOf(seconds.map(({ goodput }) => goodput)))
  const boundSeconds = bestPerSecond === 0 ? null : round(hosts / bestPerSecond)
  const t99 = after(reached.most)
  return {
    kind: 'drill',
    hosts,
    dependency,
    takenAwayAt: round(takenAwayAt),
    backAt: round(backAt),
    t50: after(reached.half),
    t99,
    t100: after(reached.all),
    leased,
    messagesPerHost: round(messages / hosts),
    lost,
    work,
    wastedShare:
      work === null || work.operations === 0 ? null : round((work.timeouts + work.failures) / work.operations),
    bestPerSecond,
    boundSeconds,
    t99OverBound: t99 === null || boundSeconds === null ? null : round(t99 / boundSeconds),
    leasedWhileAway: seconds
      .slice(Math.ceil(takenAwayAt) + 3, Math.floor(backAt))
      .reduce((total, { goodput }) => total + goodput, 0),
    isInterrupted,
    seconds,
  }
}

const round = (value: number): number => Math.round(value * 1000) / 1000

export function reportText(report: DrillReport): string {
  const { hosts, leased, t50, t99, t100, work, wastedShare, boundSeconds, t99OverBound } = report
  const time = (seconds: number | null) => (seconds === null ? 'never' : `${seconds.toFixed(1)} s`)
  return [
    `${leased === hosts ? 'recovered' : report.isInterrupted ? 'INTERRUPTED' : 'NOT RECOVERED'}: ${whole(leased)} of ${whole(hosts)} hosts hold a lease (${report.dependency})`,
    `  away                ${report.takenAwayAt.toFixed(1)} s to ${report.backAt.toFixed(1)} s`,
    `  after its return    50 %: ${time(t50)}    99 %: ${time(t99)}    100 %: ${time(t100)}`,
    `  best 5 s            ${whole(report.bestPerSecond)} leases/s${boundSeconds === null ? '' : `: ${boundSeconds.toFixed(1)} s for all of them`}${t99OverBound === null ? '' : `, 99 % took ${t99OverBound.toFixed(2)} times that`}`,
    `  messages            ${report.messagesPerHost.toFixed(1)} a host, ${whole(report.lost)} without an answer`,
    `  wasted work         ${wastedShare === null || work === null ? 'see the metrics of the lease service' : `${(100 * wastedShare).toFixed(1)} % of ${whole(work.operations)} operations (${whole(work.timeouts)} ran out of time, ${whole(work.failures)} failed)`}`,
    ...(report.leasedWhileAway === 0
      ? []
      : [
          `  WARNING             ${whole(report.leasedWhileAway)} leases were granted while it was away: it was not, and this proves nothing`,
        ]),
  ].join('\n')
}

const whole = (value: number): string => Math.round(value).toLocaleString('en')

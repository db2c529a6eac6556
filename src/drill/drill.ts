/**
 * The drill itself: take the dependency away, let a fleet that holds no lease report, bring the dependency
 * back, and watch how the fleet returns. Whatever happens in between, it is brought back.
 */
import { DrillFleet } from './fleet.ts'
import { type DrillReport, reportOf, type Second } from './report.ts'
import type { Service } from './service.ts'

export interface DrillPlan {
  readonly hosts: number
  /** What is told of it, without secrets. */
  readonly dependency: string
  readonly awayMs: number
  /** After its return; then it ends, recovered or not. */
  readonly atMostMs: number
}

export interface DrillPorts {
  readonly service: Service
  /** Throws if it cannot: then nothing has begun. */
  readonly takeAway: () => Promise<void>
  /** Tried until it succeeds, a few times at most. */
  readonly bringBack: () => Promise<void>
  /** Milliseconds from the start, on a clock that does not go back. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly random: () => number
  /** Once a second. */
  readonly progress: (seconds: number, leased: number, goodput: number, isAway: boolean) => void
  readonly signal: AbortSignal
}

const stepMs = 20
const tries = 3

export async function drill(plan: DrillPlan, ports: DrillPorts): Promise<DrillReport> {
  const { service, now, signal } = ports
  const fleet = new DrillFleet(plan.hosts, ports.random)
  const seconds: Second[] = []
  const reached: { half: number | null; most: number | null; all: number | null } = {
    half: null,
    most: null,
    all: null,
  }
  let before = 0
  const look = (isAway: boolean) => {
    const at = now() / 1000
    if (reached.half === null && fleet.leased >= 0.5 * plan.hosts) reached.half = at
    if (reached.most === null && fleet.leased >= 0.99 * plan.hosts) reached.most = at
    if (reached.all === null && fleet.leased >= plan.hosts) reached.all = at
    while (seconds.length < Math.floor(at)) {
      const limit = service.limit()
      const goodput = Math.max(0, fleet.leased - before)
      seconds.push({ leased: fleet.leased, goodput, ...(limit === undefined ? {} : { limit }) })
      before = fleet.leased
      ports.progress(seconds.length, fleet.leased, goodput, isAway)
    }
  }
  const goOn = async (until: number, isAway: boolean) => {
    while (now() < until && !signal.aborted && (isAway || reached.all === null)) {
      const due = fleet.step(now())
      if (due.length > 0) service.report(due, (host, standing, ms) => fleet.answered(host, standing, ms, now()))
      service.tick()
      look(isAway)
      await ports.sleep(stepMs)
    }
  }
  let takenAwayAt = 0
  let backAt = 0
  try {
    await service.open()
    try {
      // From here on it may be away, even if that fails half way.
      await ports.takeAway()
      takenAwayAt = now() / 1000
      await goOn(now() + plan.awayMs, true)
    } finally {
      await restore(ports)
      backAt = now() / 1000
    }
    await goOn(now() + plan.atMostMs, false)
    look(false)
  } finally {
    await service.close()
  }
  return reportOf({
    hosts: plan.hosts,
    dependency: plan.dependency,
    takenAwayAt,
    backAt,
    reached,
    leased: fleet.leased,
    messages: fleet.messages,
    lost: fleet.lost,
    work: service.work(),
    isInterrupted: signal.aborted,
    seconds,
  })
}

async function restore({ bringBack, sleep }: DrillPorts): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await bringBack()
      return
    } catch (error) {
      if (attempt === tries) throw error
      await sleep(1_000)
    }
  }
}

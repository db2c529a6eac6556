/** What the server counts. `snapshot` gives plain numbers; making metrics of them is telemetry's business. */
import { rcodeText } from '../dns/types.ts'
import type { ServeTrace } from './events.ts'
import type { Updated } from './updater.ts'

export interface ServeStats {
  /** Replies by RCODE, such as `NOERROR`. */
  readonly answers: Readonly<Record<string, number>>
  readonly queries: { readonly udp: number; readonly tcp: number }
  /** Updates by outcome: an RCODE, where NOERROR includes those that changed nothing. */
  readonly updates: Readonly<Record<string, number>>
  /** Updates refused by a guard, by its rule. */
  readonly guards: Readonly<Record<string, number>>
  readonly signaturesRefused: number
  readonly transfersRunning: number
  readonly tcpConnections: number
  readonly tcpRefused: number
}

export class Stats {
  private readonly byRcode = new Float64Array(32)
  private readonly updates = new Map<string, number>()
  private readonly guards = new Map<string, number>()
  udp = 0
  tcp = 0
  transfersRunning = 0
  tcpConnections = 0
  tcpRefused = 0
  private signatures = 0
  private untold = 0
  private toldAt = Number.NEGATIVE_INFINITY
  private readonly nowMs: () => number

  /** `nowMs`: milliseconds on a clock that never goes back. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  answered(rcode: number): void {
    this.byRcode[rcode & 31] = (this.byRcode[rcode & 31] as number) + 1
  }

  update({ rcode, guard }: Updated): void {
    count(this.updates, rcodeText(rcode))
    if (guard !== null) count(this.guards, guard)
  }

  /** Reports at most one a second: whoever guesses keys must not fill the log. */
  signatureRefused(client: string, detail: string, trace: ServeTrace): void {
    this.signatures++
    const now = this.nowMs()
    if (now - this.toldAt < 1000) {
      this.untold++
      return
    }
    trace({ event: 'serve.signature_refused', client, detail, more: this.untold })
    this.toldAt = now
    this.untold = 0
  }

  snapshot(): ServeStats {
    const answers: Record<string, number> = {}
    for (const [rcode, number] of this.byRcode.entries()) if (number > 0) answers[rcodeText(rcode)] = number
    return {
      answers,
      queries: { udp: this.udp, tcp: this.tcp },
      updates: Object.fromEntries(this.updates),
      guards: Object.fromEntries(this.guards),
      signaturesRefused: this.signatures,
      transfersRunning: this.transfersRunning,
      tcpConnections: this.tcpConnections,
      tcpRefused: this.tcpRefused,
    }
  }
}

const count = (counts: Map<string, number>, key: string): unknown => counts.set(key, (counts.get(key) ?? 0) + 1)

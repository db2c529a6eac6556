/** What a run tells: lines in order, and the parts of its diagram, gathered while it runs. */
import { clockText, type Mark, type Message, type Span } from '../diagram.ts'

/** Milliseconds of virtual time. */
type Now = () => number

export class Chronicle {
  readonly spans: Span[] = []
  readonly messages: Message[] = []
  readonly marks: Mark[] = []
  readonly #now: Now
  readonly #tell: (line: string) => void
  readonly #open = new Map<string, Omit<Span, 'to'>>()

  constructor(now: Now, tell: (line: string) => void) {
    this.#now = now
    this.#tell = tell
  }

  /** A line of the transcript. */
  say(who: string, text: string): void {
    this.#tell(`${clockText(this.#now(), true).padStart(9)}  ${who.padEnd(10)} ${text}`)
  }

  /** The same, and a number in the diagram that leads to it. */
  point(lane: string, tone: Mark['tone'], who: string, text: string, short = text): void {
    this.say(who, text)
    this.marks.push({ lane, at: this.#now(), tone, text: `${who === '' ? '' : `${who} `}${short}` })
  }

  tick(lane: string, tone: Mark['tone'], plan?: number): void {
    this.marks.push({ lane, at: this.#now(), tone, ...(plan === undefined ? {} : { plan }) })
  }

  /** From now on, until `end` or the next `begin` of the same kind in the lane. */
  begin(kind: string, span: Omit<Span, 'from' | 'to'>): void {
    this.end(kind, span.lane)
    this.#open.set(`${kind} ${span.lane}`, { ...span, from: this.#now() })
  }

  end(kind: string, lane: string): void {
    const key = `${kind} ${lane}`
    const span = this.#open.get(key)
    if (span === undefined) return
    this.#open.delete(key)
    this.spans.push({ ...span, to: this.#now() })
  }

  /** What is still open lasts until now. */
  endAll(): void {
    for (const span of this.#open.values()) this.spans.push({ ...span, to: this.#now() })
    this.#open.clear()
  }

  message(from: string, to: string, tone: Message['tone'], plan?: number, tookMs = 12): void {
    const at = this.#now()
    this.messages.push({ from, at: at - tookMs, to, arrives: at, tone, ...(plan === undefined ? {} : { plan }) })
  }
}

/** Tells a run of the flapping fleet, a line where something turns. */
import { clockText } from '../../diagram.ts'
import { demand, established, type Sample, startedMs } from './fleet.ts'

export class FlappingTeller {
  readonly #now: () => number
  readonly #tell: (line: string) => void
  #short = false
  #worst = established
  #told = 0

  constructor(now: () => number, tell: (line: string) => void) {
    this.#now = now
    this.#tell = tell
  }

  say(who: string, text: string): void {
    this.#told += 1
    // What goes round and round is told for a while, then counted.
    if (this.#told <= 60) this.#tell(`${clockText(this.#now(), true).padStart(9)}  ${who.padEnd(10)} ${text}`)
    if (this.#told === 60) this.#tell(`${' '.repeat(11)}... and so on`)
  }

  site(site: string, out: boolean, failing: number): void {
    const share = `${Math.round(failing * 100)} % of it fails its checks`
    this.say('failover', out ? `leaves ${site}: ${share}` : `goes back to ${site}: ${share}`)
  }

  sample(sample: Sample): Sample {
    const { atMs, able, answering, unharmed } = sample
    if (atMs === startedMs) this.say('fleet', 'as many again are started; their network has not arrived yet')
    if (answering < demand !== this.#short) {
      this.#short = answering < demand
      this.say(
        'customers',
        this.#short
          ? `are short: ${answering} of ${able} targets that would serve them are in the answer, ${demand} are needed`
          : `are served again: ${answering} of ${able} are in the answer`,
      )
    }
    if (unharmed < this.#worst) {
      this.#worst = unharmed
      this.say('answer', `${established - unharmed} of the ${established} that never failed are out of it`)
    }
    return sample
  }
}

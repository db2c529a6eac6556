/**
 * Draws a live view in place, below what the terminal already shows. It uses neither the second screen
 * nor a hidden cursor: should this process be killed, the terminal is left as a shell can use it.
 */
export interface Terminal {
  readonly columns: number
  readonly rows: number
  write(text: string): void
}

export interface Drawing {
  draw(lines: readonly string[]): void
  /** Leaves the last picture standing, the cursor below it. */
  close(): void
}

export function drawOn(terminal: () => Terminal): Drawing {
  let shown: readonly string[] = []
  let columns = 0
  return {
    draw(lines) {
      const to = terminal()
      // After a change of width the terminal has wrapped the old lines anew, so their number is not known.
      const restart = columns !== 0 && columns !== to.columns
      columns = to.columns
      if (!restart && lines.length === shown.length && lines.every((line, index) => line === shown[index])) return
      const up = restart ? '\x1b[2J\x1b[H' : shown.length === 0 ? '' : `\r\x1b[${shown.length}A`
      const body = lines.map((line) => `${line}\x1b[K\n`).join('')
      shown = lines
      // One write between the marks of a synchronized update: a terminal that knows them shows no half picture.
      to.write(`\x1b[?2026h${up}${body}\x1b[J\x1b[?2026l`)
    },
    close() {
      shown = []
    },
  }
}

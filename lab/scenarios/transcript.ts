/**
 * The form of a scenario's text file: a head, then blocks of commands, each with the output that it must
 * have. A file is rewritten by running its commands and putting their output in the place of the old.
 *
 *     # R2 A source says "ok, and nothing".
 *     # Stands for: https://github.com/kubernetes-sigs/external-dns/issues/6728
 *     # Must be: every name keeps what it answers.
 *
 *     region enactors 2 targets 3
 *     until settled
 *     ----
 *     plan 1 is published everywhere
 *
 * Lines that begin with `#` are for the reader, wherever they stand. A block ends with an empty line.
 */

export interface Block {
  /** Lines before the commands that begin with `#`. */
  readonly comments: readonly string[]
  readonly commands: readonly string[]
  readonly expected: readonly string[]
}

export interface Transcript {
  /** As typed to replay it: `r2`. */
  readonly name: string
  readonly title: string
  readonly standsFor: string
  /** What must come of it, in one or two sentences. */
  readonly mustBe: string
  readonly head: readonly string[]
  readonly blocks: readonly Block[]
}

const divider = '----'

/** @throws Error that says which file and what is wrong with it */
export function parseTranscript(file: string, text: string): Transcript {
  const wrong = (expected: string, found: string) => new Error(`${file}: expected ${expected}, found ${found}`)
  const paragraphs = text
    .trimEnd()
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.split('\n'))
  const [head = [], ...rest] = paragraphs
  const first = /^# (R[0-9]+[a-z]?) (.+)$/.exec(head[0] ?? '')
  if (first === null) throw wrong('a first line such as "# R2 Title."', JSON.stringify(head[0] ?? ''))
  const paragraph = (label: string): string => {
    const start = head.findIndex((line) => line.startsWith(`# ${label}: `))
    if (start < 0) throw wrong(`a line "# ${label}: ..." in its head`, 'none')
    const lines = [(head[start] as string).slice(label.length + 4)]
    for (const line of head.slice(start + 1)) {
      if (/^# [A-Z][a-z ]+: /.test(line)) break
      lines.push(line.slice(2))
    }
    return lines.join(' ')
  }
  const blocks = rest.map((lines): Block => {
    const at = lines.indexOf(divider)
    if (at < 0) throw wrong(`a line "${divider}" in each block`, `none after "${lines[0]}"`)
    const above = lines.slice(0, at)
    const commands = above.filter((line) => !line.startsWith('#'))
    if (commands.length === 0) throw wrong(`a command above "${divider}"`, JSON.stringify(above))
    return { comments: above.filter((line) => line.startsWith('#')), commands, expected: lines.slice(at + 1) }
  })
  if (blocks.length === 0) throw wrong('at least one block of commands', 'none')
  return {
    name: (first[1] as string).toLowerCase(),
    title: first[2] as string,
    standsFor: paragraph('Stands for'),
    mustBe: paragraph('Must be'),
    head,
    blocks,
  }
}

/** The file with this output, one list of lines for each block. */
export function formatTranscript({ head, blocks }: Transcript, outputs: readonly (readonly string[])[]): string {
  const parts = blocks.map(({ comments, commands }, index) =>
    [...comments, ...commands, divider, ...(outputs[index] ?? [])].join('\n'),
  )
  return `${[head.join('\n'), ...parts].join('\n\n')}\n`
}

/** Metrics of several programs as one page. Pure. */

interface Family {
  /** The page that brought it: later pages repeat its comments, which are left out. */
  readonly page: number
  readonly comments: string[]
  readonly samples: string[]
}

/**
 * Puts the samples of each metric together under one HELP and TYPE, as the Prometheus text format
 * wants it. Samples stay apart by their labels: each program's carry `program="..."`.
 */
export function mergeMetrics(pages: readonly string[]): string {
  const families = new Map<string, Family>()
  for (const [page, text] of pages.entries()) {
    let family: Family | undefined
    for (const line of text.split('\n')) {
      const name = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1]
      if (name !== undefined) {
        family = families.get(name) ?? { page, comments: [], samples: [] }
        families.set(name, family)
        if (family.page === page) family.comments.push(line)
      } else if (line.trim() !== '' && !line.startsWith('#')) family?.samples.push(line)
    }
  }
  const blocks = [...families.values()].map(({ comments, samples }) => [...comments, ...samples].join('\n'))
  return `${blocks.join('\n\n')}\n`
}

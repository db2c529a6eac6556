/** Which probers are not listened to: whoever sees far more fail than the others do has something wrong itself. */

/** One prober's view of the whole pool. */
export interface Outlook {
  readonly prober: string
  /** Targets of which it has something fresh. */
  readonly fresh: number
  /** Those of them that failed in the latest round. */
  readonly failing: number
}

export interface Muted {
  readonly prober: string
  /** Of the targets, what it sees fail and what probers see fail in the median, 0 to 1. */
  readonly share: number
  readonly median: number
  readonly failing: number
}

/** Only ever from among several: one prober alone has nobody to be compared with. */
export function mutedAmong(outlooks: readonly Outlook[], muteOver: number): readonly Muted[] {
  const seeing = outlooks.filter(({ fresh }) => fresh > 0)
  if (seeing.length < 2) return []
  const shares = seeing.map(({ fresh, failing }) => failing / fresh).sort((a, b) => a - b)
  const middle = shares.length >> 1
  const upper = shares[middle] as number
  const median = shares.length % 2 === 1 ? upper : (upper + (shares[middle - 1] as number)) / 2
  return seeing.flatMap(({ prober, fresh, failing }) =>
    failing / fresh - median > muteOver ? [{ prober, share: failing / fresh, median, failing }] : [],
  )
}

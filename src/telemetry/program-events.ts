/** What a program says of itself, whichever role it plays. */
export type CliEvent =
  /** `http`: where its metrics are, or empty. */
  | {
      readonly event: 'program.started'
      readonly role: string
      readonly version: string
      readonly node: string
      readonly pid: number
      readonly http: string
    }
  | { readonly event: 'program.stopped'; readonly why: string }
  /** It cannot go on: a bug, or something that only a person can mend. */
  | { readonly event: 'program.failed'; readonly reason: string }
  /** The configuration cannot be used: the last one that could is. */
  | { readonly event: 'program.fell_back'; readonly reason: string }
  /** So many events of that kind came in the last second beyond those written; metrics have them all. */
  | { readonly event: 'program.left_out'; readonly kind: string; readonly count: number }

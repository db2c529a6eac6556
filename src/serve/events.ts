/** What the server reports. Flat fields; logs and metrics are made of these. */
export type ServeEvent =
  /** Answering has begun, from the zones on disk. */
  | { readonly event: 'serve.started'; readonly zones: number; readonly names: number; readonly listen: string }
  | { readonly event: 'serve.stopped' }
  /** A zone of the settings was not on disk and was made. */
  | { readonly event: 'serve.zone_made'; readonly zone: string; readonly records: number }
  /** Changed settings were brought into a zone; `skipped` of their records are the business of a guarded name. */
  | {
      readonly event: 'serve.settings_applied'
      readonly zone: string
      readonly changes: number
      readonly skipped: number
    }
  /** Changed settings do not fit the zone, which is served as it was. */
  | { readonly event: 'serve.settings_refused'; readonly zone: string; readonly reason: string }
  /** A zone is on disk but not in the settings: kept, not served. */
  | { readonly event: 'serve.zone_unused'; readonly zone: string }
  /** An update was made durable and is being answered from. */
  | {
      readonly event: 'serve.updated'
      readonly zone: string
      readonly key: string
      readonly serial: number
      readonly names: number
    }
  /** An update was not made. `guard` is the rule that spoke against it, or empty. */
  | {
      readonly event: 'serve.update_refused'
      readonly zone: string
      readonly key: string
      readonly rcode: string
      readonly reason: string
      readonly guard: string
    }
  /** A signature did not verify. At most one event a second; `more` were left out since the last. */
  | {
      readonly event: 'serve.signature_refused'
      readonly client: string
      readonly detail: string
      readonly more: number
    }
  /** The disk did not take a change; nothing of it is shown, the senders got SERVFAIL. */
  | { readonly event: 'serve.disk_failed'; readonly reason: string }
  /** Another server writes to the same directory: this one goes on answering and takes no more updates. */
  | { readonly event: 'serve.fenced'; readonly reason: string }
  | { readonly event: 'serve.transferred'; readonly zone: string; readonly key: string; readonly records: number }
  /** A message could not be handled because of a mistake in the server; it is dropped. At most one event a second. */
  | { readonly event: 'serve.failed'; readonly reason: string; readonly more: number }
  /** A socket reported an error; the others go on. */
  | { readonly event: 'serve.socket_failed'; readonly listen: string; readonly reason: string }

export type ServeTrace = (event: ServeEvent) => void

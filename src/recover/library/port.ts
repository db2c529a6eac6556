/**
 * What the library needs of the machine: a clock, chance, a timer, and for the client of the lease service
 * one request. `node-port.ts` is the real one; tests have another.
 */
export interface Port {
  /** Milliseconds on a clock that never goes back. */
  now(): number
  /** 0 <= random() < 1. */
  random(): number
  /** Calls `then` after so many milliseconds, unless the returned function was called before. */
  after(ms: number, then: () => void): () => void
}

export interface HttpPort extends Port {
  /**
   * One POST of JSON. Rejects when nothing came back that is HTTP, and when the signal says so.
   * `retryAfter` is the header as it came, `body` at most a mebibyte of text.
   */
  post(
    url: string,
    body: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly retryAfter: string | undefined; readonly body: string }>
}

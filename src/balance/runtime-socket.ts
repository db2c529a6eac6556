/**
 * The way to HAProxy's runtime API: a stream of bytes to a file or to loopback. The World's connections
 * carry framed messages, so this port stands beside it; `node-socket.ts` is the real one.
 */
import type { RuntimeAddress } from '../model/haproxy.ts'
import type { Failure } from '../world/world.ts'

export interface RuntimeStream {
  /** Resolves when the bytes were handed over, not when they arrived. */
  write(text: string): Promise<Failure | { readonly kind: 'sent' }>
  /** Whatever came since the last call, or comes first; at most 16 MiB are kept while nobody asks. */
  read(timeoutMs: number): Promise<Failure | { readonly kind: 'bytes'; readonly bytes: Uint8Array }>
  close(): void
}

export interface RuntimeSocket {
  connect(
    to: RuntimeAddress,
    timeoutMs: number,
  ): Promise<Failure | { readonly kind: 'connected'; readonly stream: RuntimeStream }>
}

export function runtimeAddressText(to: RuntimeAddress): string {
  if (to.kind === 'unix') return to.path
  const { host, port } = to.address
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

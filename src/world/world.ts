/**
 * The World: everything a Holdfast program can touch outside its own memory, besides the domain
 * ports (Store, Provider, Prober, ...) that stand above it.
 *
 * `node.ts` beside this file is the only real one; the laboratory has another. A method here is a
 * cost, because each is something that the simulator must be able to break, so there are few:
 *
 * - Two clocks, each with a stated use. Safety depends on neither: leases limit who tries,
 *   generations decide who wins.
 * - `sleep` is the only timer; a time-out is an argument; there is no callback to forget.
 * - Bytes cross the boundary, never objects.
 * - Failures are values, and a time-out is not a no: the request may have been acted on.
 * - A program never returns. Stopping is crashing, so there is one way to recover, and each restart
 *   exercises it.
 */
import type { Brand } from '../base/brand.ts'

/** Milliseconds on a clock that never goes back; meaningless outside this process. */
export type Instant = Brand<number, 'Instant'>

/** Milliseconds since 1970 on the wall: may jump either way. For people, records and expiry. */
export type EpochMs = Brand<number, 'EpochMs'>

export interface Clock {
  now(): Instant
  wall(): EpochMs
  sleep(ms: number): Promise<void>
}

export interface Random {
  /** A whole number, 0 <= n < bound, bound at most 2^32. */
  below(bound: number): number
  /** `length` unpredictable bytes, for identifiers. */
  bytes(length: number): Uint8Array
}

export interface Address {
  /** An IP address as text. Never a name: Holdfast must not depend on the names that it manages. */
  readonly host: string
  readonly port: number
}

export type Failure = {
  readonly kind: 'failure'
  /** `exhausted`: this machine has no socket, port or memory left, which says nothing about the other side. */
  readonly reason: 'timeout' | 'refused' | 'unreachable' | 'reset' | 'closed' | 'too-large' | 'exhausted' | 'other'
  readonly detail: string
}

/** Messages framed by a 16-bit length over TCP (RFC 1035, section 4.2.2), in order. */
export interface Connection {
  /** At most 65,535 bytes. Resolves when the message was handed over, not when it arrived. */
  send(message: Uint8Array): Promise<Failure | { readonly kind: 'sent' }>
  /** The next message; messages that arrive while nobody waits are kept, at most 1,024 of them. */
  receive(timeoutMs: number): Promise<Failure | { readonly kind: 'message'; readonly bytes: Uint8Array }>
  close(): void
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly to: Address
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface HttpReply {
  readonly kind: 'http'
  readonly status: number
  /** At most 64 KiB of it are kept; the rest is not read. */
  readonly body: Uint8Array
}

export interface Net {
  /** One datagram out, the first datagram back from that address and port. */
  ask(
    to: Address,
    message: Uint8Array,
    timeoutMs: number,
  ): Promise<Failure | { readonly kind: 'message'; readonly bytes: Uint8Array }>
  connect(
    to: Address,
    timeoutMs: number,
  ): Promise<Failure | { readonly kind: 'connected'; readonly connection: Connection }>
  request(request: HttpRequest, timeoutMs: number): Promise<Failure | HttpReply>
}

/** What happened, in flat fields. Logs and metrics are made of these; the laboratory hashes them. */
export type TraceEvent = { readonly event: string } & { readonly [field: string]: string | number | boolean }

export interface World {
  /** Which program this is, such as `enactor-2`: stable over restarts, unique in a deployment. */
  readonly id: string
  readonly clock: Clock
  readonly random: Random
  readonly net: Net
  trace(event: TraceEvent): void
}

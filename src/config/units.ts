/** Durations and addresses as people write them. */
import { parseIp } from '../model/address.ts'
import type { Address } from '../world/world.ts'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** Milliseconds of `500ms`, `1.5s`, `2m` or `1h`, rounded; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const match = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)$/.exec(text)
  if (match === null) return undefined
  return Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs])
}

export type AddressReading =
  | { readonly kind: 'address'; readonly address: Address }
  /** Not an IP address but a name, which Holdfast refuses to depend on. */
  | { readonly kind: 'name'; readonly host: string }
  | { readonly kind: 'malformed' }

/** `127.0.0.1:5300`, `[::1]:5300`; without a port only if there is a `defaultPort`, then `::1` may stand bare. */
export function readAddress(text: string, defaultPort?: number): AddressReading {
  const bare = defaultPort === undefined ? undefined : parseIp(text.replace(/^\[(.*)\]$/, '$1'))
  if (bare !== undefined) return { kind: 'address', address: { host: bare, port: defaultPort as number } }
  const match = /^(?:\[([^\]]*)\]|([^:[\]\s/]+))(?::([0-9]{1,5}))?$/.exec(text)
  if (match === null) return { kind: 'malformed' }
  const host = parseIp(match[1] ?? match[2] ?? '')
  const port = match[3] === undefined ? defaultPort : Number(match[3])
  if (host === undefined) {
    const name = match[2] ?? ''
    return /[a-z]/i.test(name) ? { kind: 'name', host: name } : { kind: 'malformed' }
  }
  if (port === undefined || port < 1 || port > 65_535) return { kind: 'malformed' }
  return { kind: 'address', address: { host, port } }
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1'
export const isUnspecified = (host: string): boolean => host === '0.0.0.0' || host === '::'

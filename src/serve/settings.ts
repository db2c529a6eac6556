/**
 * What the built-in server has to be told. A Holdfast configuration gives these values; nothing else does.
 *
 * Only a zone's name, keys, SOA, NS and records come from here, and only when the zone is first made; afterwards the
 * server's own copy on disk is the zone, and changes of the settings are brought into it (`settle.ts`).
 */
import type { NonEmpty } from '../base/nonempty.ts'
import type { WireName } from '../dns/name.ts'
import type { TsigKey } from '../dns/tsig.ts'
import type { Ttl } from '../model/answer.ts'
import type { Name } from '../model/name.ts'
import type { Address } from '../world/world.ts'

export interface ServerSettings {
  /** Each is bound for UDP and for TCP by itself, so that a reply leaves from the address that was asked. Port 0 picks one. */
  readonly listen: NonEmpty<Address>
  /** The directory of the server's own copy; made if absent. One server at a time. */
  readonly dir: string
  readonly zones: readonly ServedZone[]
  /** By the key's name in lower case, as `TsigKey.name` has it. */
  readonly keys: ReadonlyMap<WireName, TsigKey>
  readonly limits?: Partial<ServerLimits>
}

export interface ServedZone {
  readonly name: Name
  /** Names of the TSIG keys that may update and transfer this zone and read it unweighted. */
  readonly keys: readonly WireName[]
  readonly soa: SoaSettings
  /** Names of the zone's servers. One inside the zone needs its address in `records`. */
  readonly ns: NonEmpty<Name>
  /** Other records, as zone-file text (RFC 1035, section 5); relative names stand below the zone's name. */
  readonly records: string
  /** What to call `records` in problems, such as `holdfast.yaml zones.example.test.records`. */
  readonly recordsAt?: string
}

/** All in seconds. The serial is the server's own affair: it rises with every change. */
export interface SoaSettings {
  readonly mname: Name
  readonly rname: Name
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  /** How long "no such name" may be kept (RFC 2308). */
  readonly minimum: number
  /** Of the SOA and NS records. */
  readonly ttl: Ttl
}

export const defaultSoa = { refresh: 3600, retry: 600, expire: 604_800, minimum: 30, ttl: 3600 } as const

export interface ServerLimits {
  /** Octets of a UDP reply at most, whatever a client offers (RFC 9715). */
  readonly udpSize: number
  readonly tcpConnections: number
  readonly tcpConnectionsPerClient: number
  readonly tcpIdleMs: number
  /** Queries of one connection in progress; beyond it the connection is not read. */
  readonly tcpInFlight: number
  /** Updates waiting for the disk; beyond it SERVFAIL, so that a client tries again later. */
  readonly updateQueue: number
  readonly transfers: number
}

export const defaultLimits: ServerLimits = {
  udpSize: 1232,
  tcpConnections: 1000,
  tcpConnectionsPerClient: 256,
  tcpIdleMs: 30_000,
  tcpInFlight: 128,
  updateQueue: 10_000,
  transfers: 8,
}

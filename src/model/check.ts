/** How a prober asks a target whether it works. Field by field what `check` in `holdfast.yaml` says. */
import type { NonEmpty } from '../base/nonempty.ts'
import type { Name } from './name.ts'
import type { SecretSource } from './secret.ts'

/** How a check speaks TLS. */
export interface CheckTls {
  /** Sent as server name (RFC 6066, section 3), and the name that the certificate must bear; null: the target's address. */
  readonly serverName: string | null
  /** False: any certificate will do. */
  readonly verify: boolean
  /** A PEM file of the authorities to trust, as written in the configuration; null: those that come with Node. */
  readonly ca: string | null
  /** The certificate must be good for so many more days; 0: for today. Checked even with `verify: false`. */
  readonly daysLeft: number
}

/** A header of a request. A secret is told by where it is, so that a check can be logged and digested. */
export type CheckHeader =
  | { readonly name: string; readonly value: string }
  /** Sent as `prefix` and the secret, such as `Bearer `. */
  | { readonly name: string; readonly secret: SecretSource; readonly prefix: string }

export interface HttpCheck {
  readonly kind: 'http'
  readonly port: number
  readonly path: string
  readonly host: string | null
  readonly status: NonEmpty<number>
  /** GET if absent. */
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: readonly CheckHeader[]
  /** Looked for in the first 64 KiB of the body. `matches` is a pattern of `base/pattern.ts`. */
  readonly body?: { readonly kind: 'contains' | 'matches'; readonly text: string }
  /** HTTPS; absent: plain HTTP. */
  readonly tls?: CheckTls
}

export interface DnsCheck {
  readonly kind: 'dns'
  readonly port: number
  readonly name: Name
  /** Such as `A`. */
  readonly type: string
  readonly transport: 'udp' | 'tcp'
  /** Such as `NOERROR`. */
  readonly rcode: string
  /** Each must be among the records of the answer, as zone-file text; none: any answer, also an empty one. */
  readonly answer: readonly string[]
}

/** `grpc.health.v1.Health/Check`; SERVING passes. */
export interface GrpcCheck {
  readonly kind: 'grpc'
  readonly port: number
  /** Empty: the server as a whole. */
  readonly service: string
  /** The `:authority`; null: the target's address. */
  readonly host: string | null
  /** Absent: HTTP/2 without TLS, by prior knowledge. */
  readonly tls?: CheckTls
}

/** A program, without a shell; exit code 0 passes. */
export interface CommandCheck {
  readonly kind: 'command'
  /** `{address}`, `{port}`, `{target}` and `{pool}` are filled in. */
  readonly run: NonEmpty<string>
  readonly port: number | null
}

/** A check that is made, as opposed to `none`. */
export type Probed =
  | HttpCheck
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'tls'; readonly port: number; readonly tls: CheckTls }
  | DnsCheck
  | GrpcCheck
  | CommandCheck

export type Check =
  | Probed
  /** Never probed: always counted as healthy. */
  | { readonly kind: 'none' }

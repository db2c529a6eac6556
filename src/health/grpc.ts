/**
 * The two messages of `grpc.health.v1.Health/Check` (grpc/health/v1/health.proto): a request with one
 * string, a response with one enumeration, each behind the five octets of gRPC over HTTP/2. Pure.
 */
import { utf8 } from '../base/bytes.ts'

/** Framed. */
export function checkRequest(service: string): Uint8Array {
  const name = utf8(service)
  const message = name.length === 0 ? [] : [0x0a, ...varint(name.length), ...name]
  return Uint8Array.from([0, ...uint32(message.length), ...message])
}

const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

export type CheckResponse =
  | { readonly kind: 'status'; readonly status: string }
  | { readonly kind: 'malformed'; readonly what: string }

/** Of a whole response body. An absent status is 0, UNKNOWN, as everywhere in protobuf. */
export function readCheckResponse(bytes: Uint8Array): CheckResponse {
  const malformed = (what: string): CheckResponse => ({ kind: 'malformed', what })
  if (bytes.length < 5) return malformed(`${bytes.length} octets`)
  if (bytes[0] !== 0) return malformed('a compressed message')
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  if (length !== bytes.length - 5) return malformed(`a message of ${length} octets in ${bytes.length - 5}`)
  let status = 0
  for (let at = 5; at < bytes.length; ) {
    const tag = readVarint(bytes, at)
    if (tag === undefined) return malformed('a field that is cut off')
    at = tag.end
    switch (tag.value & 7) {
      case 0: {
        const value = readVarint(bytes, at)
        if (value === undefined) return malformed('a number that is cut off')
        at = value.end
        if (tag.value >>> 3 === 1) status = value.value
        break
      }
      case 1:
        at += 8
        break
      case 2: {
        const size = readVarint(bytes, at)
        if (size === undefined) return malformed('a length that is cut off')
        at = size.end + size.value
        break
      }
      case 5:
        at += 4
        break
      default:
        return malformed(`a field of wire type ${tag.value & 7}`)
    }
    if (at > bytes.length) return malformed('a field beyond the end')
  }
  return { kind: 'status', status: statuses[status] ?? `status ${status}` }
}

/** Codes that a health check meets (grpc/doc/statuscodes.md). */
const codes: Readonly<Record<string, string>> = {
  '2': 'UNKNOWN',
  '4': 'DEADLINE_EXCEEDED',
  '5': 'NOT_FOUND',
  '7': 'PERMISSION_DENIED',
  '8': 'RESOURCE_EXHAUSTED',
  '12': 'UNIMPLEMENTED',
  '13': 'INTERNAL',
  '14': 'UNAVAILABLE',
  '16': 'UNAUTHENTICATED',
}

export const grpcStatusText = (code: string): string => {
  const known = Object.hasOwn(codes, code) ? ` (${codes[code]})` : ''
  return `gRPC status ${code.slice(0, 20)}${known}`
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}

const uint32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]

/** At most ten octets; what does not fit into 32 bits wraps, since nothing here is so large and right. */
function readVarint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    if (index < 5) value = (value | ((byte & 0x7f) << (7 * index))) >>> 0
    if ((byte & 0x80) === 0) return { value, end: at + index + 1 }
  }
  return undefined
}

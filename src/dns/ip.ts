/** IP addresses as the octets of A and AAAA records. */
import { isIPv4, isIPv6 } from 'node:net'
import type { IpAddress } from '../model/address.ts'

/** Four octets; undefined unless the text is an IPv4 address in dotted decimals. */
export function ipv4Octets(text: string): Uint8Array | undefined {
  return isIPv4(text) ? Uint8Array.from(text.split('.'), Number) : undefined
}

/** Sixteen octets; undefined unless the text is an IPv6 address (RFC 4291 section 2.2) without a scope. */
export function ipv6Octets(text: string): Uint8Array | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined
  const lastColon = text.lastIndexOf(':')
  const dotted = ipv4Octets(text.slice(lastColon + 1))
  const tail = dotted === undefined ? [] : [...dotted]
  const groups = dotted === undefined ? text : `${text.slice(0, lastColon)}${text[lastColon - 1] === ':' ? ':' : ''}`
  const [left = '', right] = groups.split('::')
  const head = groupOctets(left)
  const rest = [...groupOctets(right ?? ''), ...tail]
  const octets = new Uint8Array(16)
  octets.set(head)
  octets.set(rest, right === undefined ? head.length : 16 - rest.length)
  return octets
}

function groupOctets(groups: string): number[] {
  if (groups === '') return []
  return groups.split(':').flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 255]
  })
}

/** Canonical text (RFC 5952) of 4 or 16 octets, the same as `parseIp` of `model/address.ts` gives. */
export function ipText(octets: Uint8Array): IpAddress | undefined {
  if (octets.length === 4) return octets.join('.') as IpAddress
  if (octets.length !== 16) return undefined
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((octets[i] as number) << 8) | (octets[i + 1] as number))
  const zeros = longestZeros(groups)
  // The two forms that hold an IPv4 address: mapped (::ffff:a.b.c.d) and the old compatible one (::a.b.c.d).
  const embedded = zeros.start === 0 && (zeros.length === 6 || (zeros.length === 5 && groups[5] === 0xffff))
  const shown = embedded ? groups.slice(0, 6) : groups
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':')
  const text =
    zeros.length < 2
      ? hex(shown)
      : `${hex(shown.slice(0, zeros.start))}::${hex(shown.slice(zeros.start + zeros.length))}`
  if (!embedded) return text as IpAddress
  return `${text}${text.endsWith(':') ? '' : ':'}${octets.subarray(12).join('.')}` as IpAddress
}

/** The longest run of zero groups, the first of several. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; ) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
    start = Math.max(end, start + 1)
  }
  return best
}

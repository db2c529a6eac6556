import { isIP, SocketAddress } from 'node:net'
import type { Brand } from '../base/brand.ts'

/** An IPv4 or IPv6 address in canonical text (RFC 5952), without zone or prefix length. */
export type IpAddress = Brand<string, 'IpAddress'>

export function parseIp(text: string): IpAddress | undefined {
  const family = text.includes('%') ? 0 : isIP(text)
  if (family === 0) return undefined
  // Dotted decimals have one form only: leading zeros are refused.
  if (family === 4) return text as IpAddress
  return new SocketAddress({ address: text, family: 'ipv6' }).address as IpAddress
}

export const isIpv6 = (address: IpAddress): boolean => address.includes(':')

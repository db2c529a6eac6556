/**
 * The generation that stands in HAProxy itself, beside the weights that it belongs to: as the address
 * of a server that is never used. Such an address is read and written like any other, and is in
 * HAProxy's state file, so it comes through a reload together with the weights; variables and maps of
 * HAProxy 2.6 begin again from the configuration.
 *
 *     fd48:4f4c:OOOO:OOOO:GGGG:GGGG:GGGG:GGGG      O: of the owner, 32 bits; G: the generation
 */
import { type IpAddress, parseIp } from '../model/address.ts'
import { type Generation, toGeneration } from '../model/generation.ts'

/** The server that carries it. Where it is missing the backend is not ours. */
export const markerServer = 'holdfast-generation'

export type Marker =
  /** As configured, or nonsense: nothing is known, anybody may begin. */
  | { readonly kind: 'none' }
  | { readonly kind: 'generation'; readonly generation: Generation }
  /** Another deployment pushes here. */
  | { readonly kind: 'foreign' }

const prefix = [0xfd48, 0x4f4c]

/** FNV-1a, 32 bits: tells deployments apart, keeps nobody out. */
function ownerBits(owner: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < owner.length; i++) hash = Math.imul(hash ^ owner.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

export function markerAddress(owner: string, generation: Generation): IpAddress {
  const bits = ownerBits(owner)
  const groups = [
    ...prefix,
    bits >>> 16,
    bits & 0xffff,
    Math.floor(generation / 2 ** 48),
    Math.floor(generation / 2 ** 32) & 0xffff,
    Math.floor(generation / 2 ** 16) & 0xffff,
    generation & 0xffff,
  ]
  return parseIp(groups.map((group) => group.toString(16)).join(':')) as IpAddress
}

export function readMarker(address: IpAddress | null, owner: string): Marker {
  const groups = address === null ? undefined : groupsOf(address)
  if (groups === undefined || groups[0] !== prefix[0] || groups[1] !== prefix[1]) return { kind: 'none' }
  const [, , high = 0, low = 0, g3 = 0, g2 = 0, g1 = 0, g0 = 0] = groups
  if (high * 2 ** 16 + low !== ownerBits(owner)) return { kind: 'foreign' }
  const generation = toGeneration(g3 * 2 ** 48 + g2 * 2 ** 32 + g1 * 2 ** 16 + g0)
  return generation === undefined || generation === 0 ? { kind: 'none' } : { kind: 'generation', generation }
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: IpAddress): readonly number[] | undefined {
  if (!address.includes(':') || address.includes('.')) return undefined
  const [left = '', right] = address.split('::')
  const part = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const before = part(left)
  const after = right === undefined ? [] : part(right)
  const zeros = right === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array<number>(zeros).fill(0), ...after]
}

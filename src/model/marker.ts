/**
 * The marker: the TXT record at `_holdfast.<endpoint>` that says what is published there.
 *
 *     "v=holdfast1" "g=41" "d=<16 hex digits>" "o=quickstart" "w=192.0.2.1*100 192.0.2.2*50"
 *
 * One record, several character strings of at most 255 octets each; `w` may repeat. `k=retired`
 * stands in place of the weights where the name was given up. The generation is the one in which
 * this endpoint's answer last changed, so an endpoint that did not change is not written again.
 */
import type { Digest } from '../base/bytes.ts'
import { type IpAddress, parseIp } from './address.ts'
import { type Answer, answerDigest, type WeightedAddress } from './answer.ts'
import { type Generation, toGeneration } from './generation.ts'

export interface Marker {
  readonly generation: Generation
  /** `answerDigest` of the answer published with this marker. */
  readonly digest: Digest
  /** Which Holdfast deployment owns the name. */
  readonly owner: string
  readonly retired: boolean
  /** Only the built-in server uses these; empty for an alias or a retired name. */
  readonly weights: readonly WeightedAddress[]
}

export function markerFor(answer: Answer, generation: Generation, owner: string): Marker {
  return {
    generation,
    digest: answerDigest(answer),
    owner,
    retired: answer.kind === 'retired',
    weights: answer.kind === 'addresses' ? answer.addresses : [],
  }
}

const version = 'v=holdfast1'

/** The character strings of the TXT record, in order; each at most 255 ASCII octets. */
export function markerStrings(marker: Marker): readonly string[] {
  const strings = [version, `g=${marker.generation}`, `d=${marker.digest}`, `o=${marker.owner}`]
  if (marker.retired) strings.push('k=retired')
  let line = ''
  for (const text of marker.weights.map(({ address, weight }) => `${address}*${weight}`).sort()) {
    if (line !== '' && line.length + 1 + text.length > 253) {
      strings.push(`w=${line}`)
      line = ''
    }
    line = line === '' ? text : `${line} ${text}`
  }
  if (line !== '') strings.push(`w=${line}`)
  return strings
}

/** Undefined for anything that is not a whole marker of this version: damage is repaired, not guessed at. */
export function parseMarker(strings: readonly string[]): Marker | undefined {
  if (strings[0] !== version) return undefined
  let generation: Generation | undefined
  let digest: Digest | undefined
  let owner: string | undefined
  let retired = false
  const weights: WeightedAddress[] = []
  for (const text of strings.slice(1)) {
    const value = text.slice(2)
    if (text.startsWith('g=') && generation === undefined && /^[0-9]{1,15}$/.test(value))
      generation = toGeneration(Number(value))
    else if (text.startsWith('d=') && digest === undefined && /^[0-9a-f]{16}$/.test(value)) digest = value as Digest
    else if (text.startsWith('o=') && owner === undefined && isOwner(value)) owner = value
    else if (text === 'k=retired') retired = true
    else if (text.startsWith('w=')) {
      for (const item of value.split(' ')) {
        const star = item.lastIndexOf('*')
        const address: IpAddress | undefined = parseIp(item.slice(0, Math.max(0, star)))
        const weight = Number(item.slice(star + 1))
        if (address === undefined || !Number.isInteger(weight) || weight < 1 || weight > 65_535) return undefined
        weights.push({ address, weight })
      }
    } else return undefined
  }
  if (generation === undefined || digest === undefined || owner === undefined) return undefined
  return { generation, digest, owner, retired, weights }
}

/** A deployment's name as it may stand in a marker: 1 to 63 letters, digits, `-`, `_` and `.`. */
export function isOwner(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)
}

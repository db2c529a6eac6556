import { hash } from 'node:crypto'
import type { Brand } from './brand.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** Throws TypeError on bytes that are not UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes)

/** The first 128 bits of a SHA-256, as 32 hexadecimal digits: names content, proves that it is whole. */
export type Digest = Brand<string, 'Digest'>

export function digestOf(content: string | Uint8Array): Digest {
  return hash('sha256', content, 'hex').slice(0, 32) as Digest
}

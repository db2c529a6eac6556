/**
 * Proof of a lease: with it a host shows the next manager what the last one granted, so that a shard changes
 * hands without a single operation at the dependency, and nobody gets a lease by saying that it has one.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Of 16 octets, 22 characters of base64url. */
export function proofOf(key: Uint8Array, id: string, bootId: string, epoch: number): string {
  return createHmac('sha256', key).update(`${id} ${bootId} ${epoch}`).digest().subarray(0, 16).toString('base64url')
}

export function proves(key: Uint8Array, proof: string, id: string, bootId: string, epoch: number): boolean {
  const right = proofOf(key, id, bootId, epoch)
  return proof.length === right.length && timingSafeEqual(Buffer.from(proof), Buffer.from(right))
}

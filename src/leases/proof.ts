/**
 * Proof of a lease: with it a host shows the next manager what the last one granted, so that a shard changes
 * hands without a single operation at the dependency, and nobody gets a lease by saying that it has one.
 */
import { hash, timingSafeEqual } from 'node:crypto'

/**
 * Of 16 octets, 22 characters of base64url. The key stands in front: SHA-512/256 cannot be continued by
 * somebody who knows only a digest (FIPS 180-4), so nothing more is needed around it.
 */
export function proofOf(key: string, id: string, bootId: string, epoch: number): string {
  return hash('sha512-256', `${key} ${id} ${bootId} ${epoch}`, 'base64url').slice(0, 22)
}

export function proves(key: string, proof: string, id: string, bootId: string, epoch: number): boolean {
  const right = proofOf(key, id, bootId, epoch)
  return proof.length === right.length && timingSafeEqual(Buffer.from(proof), Buffer.from(right))
}

/**
 * S3 whole: what a program publishes at a name is exactly what one plan said for it, and a plan, once
 * published, says the same for ever. The check reads the plans' own text as it is committed, and
 * compares it with the records.
 */
import { digestOf } from '../../src/base/bytes.ts'
import type { Write } from '../../src/store/store.ts'
import type { Standing } from '../sim/authority.ts'
import { type Check, generationAt } from './check.ts'

const decoder = new TextDecoder()

export function whole(): Check {
  /** `name since` to the answers that plans gave it, as text. */
  const said = new Map<string, Set<string>>()
  const plans = new Map<string, string>()
  return {
    invariant: 'S3',
    onCommit(writes: readonly Write[], by: string) {
      for (const write of writes) {
        if (write.key.startsWith('plan/')) {
          const known = plans.get(write.key)
          if (by === 'tamper' || write.kind === 'delete') plans.delete(write.key)
          else {
            const digest = digestOf(write.value)
            if (known !== undefined && known !== digest)
              return { invariant: 'S3', text: `${by} replaced ${write.key} by another plan of the same number` }
            plans.set(write.key, digest)
          }
        }
        if (write.kind !== 'put' || !write.key.startsWith('shard/')) continue
        for (const line of decoder.decode(write.value).split('\n')) {
          const [name, since, , ttl, kind, ...data] = line.split(' ')
          if (name === undefined || kind === undefined) continue
          const key = `${name} ${since}`
          said.set(key, (said.get(key) ?? new Set()).add(recordsText(ttl ?? '', kind, data)))
        }
      }
      return null
    },
    onRecords(name, _before, after, by) {
      if (by === 'hand') return null
      const generation = generationAt(after)
      const published = standingText(after)
      if (said.get(`${name} ${generation}`)?.has(published) === true) return null
      return { invariant: 'S3', text: `${by} published ${published} at ${name} under ${generation}; no plan says so` }
    },
  }
}

function recordsText(ttl: string, kind: string, data: readonly string[]): string {
  if (kind === 'retired') return 'retired'
  if (kind === 'alias') return `${ttl} alias ${data[0]}`
  return `${ttl} ${data
    .map((item) => item.slice(0, item.lastIndexOf('*')))
    .sort()
    .join(' ')}`
}

function standingText({ addresses, alias, ttl }: Standing): string {
  if (alias !== null) return `${ttl} alias ${alias}`
  return addresses.length === 0 ? 'retired' : `${ttl} ${[...addresses].sort().join(' ')}`
}

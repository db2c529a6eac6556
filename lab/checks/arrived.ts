/** L1 self-repair: what is still wrong, some time after the trouble ended. */
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { Region } from '../region.ts'
import type { Standing } from '../sim/authority.ts'
import { generationAt, isTombstone } from './check.ts'

/** `<generation> <ttl> <records>`, the same text for what a plan says and for what stands there. */
const text = (generation: string, ttl: string | number | null, alias: string | null, addresses: readonly string[]) =>
  alias !== null
    ? `${generation} ${ttl} -> ${alias}`
    : addresses.length === 0
      ? `${generation} nothing`
      : `${generation} ${ttl} ${[...addresses].sort().join(' ')}`

function wantedText(line: string): string {
  const [, since = '', , ttl = '', kind, ...data] = line.split(' ')
  if (kind === 'retired') return text(since, null, null, [])
  if (kind === 'alias') return text(since, ttl, data[0] ?? '', [])
  return text(
    since,
    ttl,
    null,
    data.map((item) => item.slice(0, item.lastIndexOf('*'))),
  )
}

const foundText = (standing: Standing): string =>
  text(`${generationAt(standing)}`, standing.ttl, standing.alias, standing.addresses)

/** Every name of the newest plan answers what that plan says: null when all is right. */
export function whatIsWrong(region: Region, foreign: ReadonlySet<Name>): string | null {
  const { store, policy } = region
  const head = keys.head.decode(store.peek(keys.head.key()) ?? new Uint8Array())
  if (head === undefined) return 'there is no head'
  const plan = keys.plan.decode(store.peek(keys.plan.key(head.generation)) ?? new Uint8Array())
  if (plan === undefined) return `head is plan ${head.generation}, which is not there`
  if (plan.policy !== policy.digest) return `plan ${head.generation} follows an older policy`
  const wanted = new Map<Name, string>()
  for (const digest of plan.shards) {
    const shard = store.peek(keys.shard.key(digest))
    if (shard === undefined) return `a shard of plan ${head.generation} is not there`
    for (const line of new TextDecoder().decode(shard).split('\n'))
      if (line !== '') wanted.set(line.slice(0, line.indexOf(' ')) as Name, line)
  }
  for (const name of policy.endpoints.keys()) if (!wanted.has(name)) return `plan ${head.generation} lacks ${name}`
  for (const [name, line] of wanted) {
    if (isForeign(name, line, foreign)) continue
    const standing = region.authorityOf(name).at(name)
    const [want, found] = [wantedText(line), foundText(standing)]
    if (found !== want) return `${name} is ${found}, plan ${head.generation} says ${want}`
    if (want.endsWith(' nothing') && !isTombstone(standing)) return `${name} is empty and has no tombstone`
  }
  return null
}

/** Names of somebody else are left alone, and so are aliases that would point at them. */
const isForeign = (name: Name, line: string, foreign: ReadonlySet<Name>): boolean =>
  foreign.has(name) || [...foreign].some((other) => line.endsWith(` alias ${other}`))

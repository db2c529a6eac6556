/** What operators do to a region: they change its policy, and give instructions. */
import { keys } from '../src/model/keys.ts'
import type { Name } from '../src/model/name.ts'
import type { OverrideAction } from '../src/model/override.ts'
import type { EpochMs } from '../src/world/world.ts'
import type { Region } from './region.ts'
import { placeRival } from './rival.ts'
import { ms } from './sim/kernel.ts'
import { epoch } from './sim/world.ts'
import type { OverrideEdit, PolicyEdit } from './story.ts'
import { siteOf, type Wishes } from './wishes.ts'

export function editPolicy(region: Region, what: PolicyEdit, subject: number): void {
  const { shape } = region
  const pool = subject % shape.pools.length
  region.edit((wishes) => {
    switch (what) {
      case 'ttl':
        turnTtl(wishes)
        break
      case 'add':
        wishes.added.push(newName(wishes, 0))
        break
      case 'add-alias': {
        // Of a name that is as new, in another zone: the alias has to wait for it.
        const of = newName(wishes, shape.zones - 1)
        wishes.added.push(of)
        wishes.addedAliases.set(`to-${newName(wishes, 0)}` as Name, of)
        break
      }
      case 'add-taken': {
        const name = newName(wishes, 0)
        placeRival(region, name, subject % 2 === 0 ? null : 1)
        wishes.added.push(name)
        break
      }
      case 'remove':
        takeOut(region, wishes)
        break
      case 'add-again': {
        const name = [...wishes.removed].at(-1)
        if (name !== undefined) wishes.removed.delete(name)
        break
      }
      case 'turn': {
        const names = [...region.policy.endpoints.keys()]
        const name = names[subject % Math.max(1, names.length)]
        if (name !== undefined && !wishes.turned.delete(name)) wishes.turned.add(name)
        break
      }
      case 'unpool':
        wishes.unpooled.add(pool)
        break
      case 'repool':
        wishes.unpooled.clear()
        break
      case 'fewer-targets':
        wishes.withoutTargets.add(`${pool}/${subject % (shape.pools[pool] ?? 1)}`)
        break
      case 'all-targets':
        wishes.withoutTargets.clear()
        break
      case 'half':
        wishes.withheld = 'half'
        break
      case 'empty':
        wishes.withheld = 'all'
        break
      case 'whole':
        wishes.withheld = 'nothing'
        break
      case 'unreadable':
        wishes.readable = false
        break
      case 'readable':
        wishes.readable = true
        break
    }
  })
}

function takeOut({ policy }: Region, wishes: Wishes): void {
  const name = [...policy.endpoints.keys()].at(-1)
  if (name !== undefined && policy.endpoints.size > 1) wishes.removed.add(name)
}

const newName = ({ edits }: Wishes, zone: number): Name => `new${edits}.z${zone}.test.` as Name

function turnTtl(wishes: Wishes): void {
  wishes.ttl = wishes.ttl === 30 ? 60 : 30
}

/** One change after the other, whatever the programs are about. */
export function editOften(region: Region, everyMs: number, times: number): void {
  for (let at = 0; at < times; at++) region.kernel.arrive(ms(at * everyMs), null, () => region.edit(turnTtl))
}

export function giveOverride(region: Region, what: OverrideEdit, subject: number): void {
  const { store, policy, wishes, kernel } = region
  const names = [...policy.endpoints.keys()]
  const name = names[subject % Math.max(1, names.length)]
  const pool = [...policy.pools.values()][subject % policy.pools.size]
  const target = pool?.targets[subject % pool.targets.length]?.id ?? 't0'
  const at = (epoch + Math.floor(kernel.now / 1000)) as EpochMs
  const put = (action: OverrideAction) =>
    store.tamper([
      {
        kind: 'put',
        key: keys.override.key(action),
        value: keys.override.encode({
          action,
          author: 'lab',
          reason: 'a story',
          at,
          expires: subject % 4 === 0 ? ((at + 8_000) as EpochMs) : null,
          breaks: [],
        }),
      },
    ])
  const remove = (action: OverrideAction) => store.tamper([{ kind: 'delete', key: keys.override.key(action) }])
  const evacuation = {
    kind: 'evacuate',
    site: siteOf(subject),
    pool: subject % 2 === 0 ? null : (pool?.id ?? null),
  } as const
  const from = (at + (subject % 5) * 1_000) as EpochMs
  const window = { kind: 'maintenance', site: siteOf(subject), from, until: (from + 12_000) as EpochMs } as const
  switch (what) {
    case 'evacuate':
      put(evacuation)
      break
    case 'restore':
      remove(evacuation)
      break
    case 'maintain':
      put(window)
      break
    case 'cancel':
      remove(window)
      break
    case 'freeze':
      put({ kind: 'freeze' })
      break
    case 'thaw':
      remove({ kind: 'freeze' })
      remove({ kind: 'rollback', to: 1 as never })
      break
    case 'rollback': {
      const plans = store.keys(keys.plan.prefix)
      const key = plans[subject % Math.max(1, plans.length)]
      if (key !== undefined) put({ kind: 'rollback', to: Number(key.slice(keys.plan.prefix.length)) as never })
      break
    }
    case 'pin':
      if (name !== undefined) put({ kind: 'pin', name })
      break
    case 'unpin':
      if (name !== undefined) remove({ kind: 'pin', name })
      break
    case 'drain':
      put({ kind: 'drain', pool: pool?.id ?? 'pool0', target })
      break
    case 'undrain':
      remove({ kind: 'drain', pool: pool?.id ?? 'pool0', target })
      break
    case 'retire': {
      // A name can be given up that the policy no longer has.
      if (wishes.removed.size === 0) region.edit((wishes) => takeOut(region, wishes))
      const removed = [...wishes.removed]
      const gone = removed[subject % Math.max(1, removed.length)]
      if (gone !== undefined) put({ kind: 'retire', name: gone })
      break
    }
  }
}

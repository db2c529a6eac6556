/** What befalls a region: every kind of happening of a story as a deed, and the healing of all of them. */
import { utf8 } from '../src/base/bytes.ts'
import { keys } from '../src/model/keys.ts'
import type { Name } from '../src/model/name.ts'
import type { OverrideAction } from '../src/model/override.ts'
import type { EpochMs } from '../src/world/world.ts'
import { generationAt } from './checks/check.ts'
import type { Region } from './region.ts'
import { calmAuthority, type SimulatedAuthority } from './sim/authority.ts'
import { ms } from './sim/kernel.ts'
import { calm } from './sim/network.ts'
import { calmStore } from './sim/store.ts'
import { epoch } from './sim/world.ts'
import type { Happening } from './story.ts'

export function happen(region: Region, happening: Happening): void {
  const { kernel, store, network } = region
  const later = (forMs: number, run: () => void) => kernel.after(ms(forMs), null, run)
  switch (happening.kind) {
    case 'crash': {
      const process = region.process(happening.process)
      kernel.crash(process)
      later(happening.forMs, () => kernel.start(process))
      break
    }
    case 'pause':
      kernel.pause(region.process(happening.process), ms(happening.forMs))
      break
    case 'clock': {
      const process = region.process(happening.process)
      process.wallOffsetMs += happening.byMs
      process.driftPpm = happening.driftPpm
      break
    }
    case 'cut-store':
      store.cut(happening.process)
      later(happening.forMs, () => store.mend(happening.process))
      break
    case 'cut-authority': {
      const authority = authorityAt(region, happening.zone)
      authority.cut(happening.process)
      later(happening.forMs, () => authority.mend(happening.process))
      break
    }
    case 'store-down':
      store.up = false
      later(happening.forMs, () => {
        store.up = true
      })
      break
    case 'authority-down': {
      const authority = authorityAt(region, happening.zone)
      authority.up = false
      later(happening.forMs, () => {
        authority.up = true
      })
      break
    }
    case 'store-weather':
      store.weather = {
        ...calmStore,
        delay: [ms(0.2), ms(happening.delayMs)],
        lost: { of: happening.lost, in: 1000 },
      }
      later(happening.forMs, () => {
        store.weather = calmStore
      })
      break
    case 'authority-weather': {
      const authority = authorityAt(region, happening.zone)
      const per = (of: number) => ({ of, in: 1000 })
      authority.weather = {
        ...calmAuthority,
        delay: [ms(1), ms(happening.delayMs)],
        lost: per(happening.lost),
        lies: per(happening.lies),
        servfail: per(happening.servfail),
        throttled: per(happening.throttled),
      }
      later(happening.forMs, () => {
        authority.weather = calmAuthority
      })
      break
    }
    case 'net-weather':
      network.weather = { ...calm, delay: [ms(1), ms(happening.delayMs)], drop: { of: happening.drop, in: 1000 } }
      later(happening.forMs, () => {
        network.weather = calm
      })
      break
    case 'hand':
      byHand(region, happening.name, happening.what)
      break
    case 'damage':
      damage(region, happening.what)
      break
    case 'target':
      for (const host of region.hosts)
        if (host.pool === happening.pool && host.target === happening.target) host.up = happening.up
      break
    case 'pool':
      for (const host of region.hosts) if (host.pool === happening.pool) host.up = happening.up
      break
    case 'policy':
      editPolicy(region, happening.what)
      break
    case 'override':
      giveOverride(region, happening.what, happening.subject)
      break
  }
}

function authorityAt(region: Region, zone: number): SimulatedAuthority {
  const authority = region.authorities[zone % region.authorities.length]
  if (authority === undefined) throw new Error('expected an authority, found none')
  return authority
}

function byHand(region: Region, index: number, what: (Happening & { kind: 'hand' })['what']): void {
  const names = [...region.policy.endpoints.keys()]
  const name = names[index % names.length]
  if (name === undefined) return
  const authority = region.authorityOf(name)
  const before = authority.at(name)
  // What Holdfast never published is somebody else's, and not the matter here.
  if (generationAt(before) === null || before.marker.some((strings) => strings.includes('o=other'))) return
  // A marker that goes before anybody has seen it leaves nothing to know the name by: see `drawStory`.
  if (what !== 'edit' && what !== 'empty' && !isKnown(region, name, generationAt(before) ?? 0)) return
  const strange = { addresses: ['203.0.113.9' as never], alias: null, ttl: 5 }
  switch (what) {
    case 'edit':
      authority.tamper(name, strange)
      break
    case 'empty':
      authority.tamper(name, { addresses: [], alias: null, ttl: null })
      break
    case 'unmark':
      authority.tamper(name, { marker: [] })
      break
    case 'garble':
      authority.tamper(name, { marker: [['v=holdfast1', 'g=12']] })
      break
    case 'outrun': {
      const generation = (generationAt(before) ?? 0) + 1000
      authority.tamper(name, {
        marker: [['v=holdfast1', `g=${generation}`, 'd=0123456789abcdef', 'o=lab', 'w=203.0.113.9*1']],
        ...strange,
      })
      break
    }
    case 'all':
      authority.tamper(name, { marker: [], addresses: [], alias: null, ttl: null })
      break
  }
}

/** Whether an enactor has said that this name was published. */
function isKnown({ store }: Region, name: Name, generation: number): boolean {
  return store.keys(keys.progress.prefix).some((key) => {
    const progress = keys.progress.decode(store.peek(key) ?? new Uint8Array())
    if (progress === undefined || progress.enacted < generation) return false
    return !progress.blocked.some((one) => one.name === name)
  })
}

function damage({ store }: Region, what: (Happening & { kind: 'damage' })['what']): void {
  const newest = store.keys(keys.plan.prefix).at(-1)
  switch (what) {
    case 'plan':
      if (newest !== undefined) store.tamper([{ kind: 'delete', key: newest }])
      break
    case 'garble-plan':
      if (newest !== undefined) store.tamper([{ kind: 'put', key: newest, value: utf8('{"generation":') }])
      break
    case 'shard': {
      const key = store.keys(keys.shard.prefix).at(0)
      if (key !== undefined) store.tamper([{ kind: 'delete', key }])
      break
    }
    case 'head':
      store.tamper([{ kind: 'delete', key: keys.head.key() }])
      break
    case 'progress': {
      const all = store.keys(keys.progress.prefix)
      if (all.length > 0) store.tamper(all.map((key) => ({ kind: 'delete', key })))
      break
    }
    case 'everything': {
      const all = store.keys('')
      if (all.length > 0) store.tamper(all.map((key) => ({ kind: 'delete', key })))
      break
    }
  }
}

function editPolicy(region: Region, what: (Happening & { kind: 'policy' })['what']): void {
  region.edit((wishes) => {
    if (what === 'ttl') wishes.ttl = wishes.ttl === 30 ? 60 : 30
    else if (what === 'add') wishes.added.push(`new${wishes.edits}.z0.test.` as Name)
    else if (what === 'add-alias') {
      // Of a name that is as new, in another zone: the alias has to wait for it.
      const of = `new${wishes.edits}.z${region.shape.zones - 1}.test.` as Name
      wishes.added.push(of)
      wishes.addedAliases.set(`to-new${wishes.edits}.z0.test.` as Name, of)
    } else if (what === 'remove') {
      const name = [...region.policy.endpoints.keys()].at(-1)
      if (name !== undefined && region.policy.endpoints.size > 1) wishes.removed.add(name)
    } else wishes.readable = what === 'readable'
  })
}

function giveOverride(region: Region, what: (Happening & { kind: 'override' })['what'], subject: number): void {
  const { store, policy, wishes, kernel } = region
  const names = [...policy.endpoints.keys()]
  const name = names[subject % names.length] as Name
  const pool = [...policy.pools.values()][subject % policy.pools.size]
  const target = pool?.targets[subject % pool.targets.length]?.id ?? 't0'
  const removed = [...wishes.removed]
  const put = (action: OverrideAction) =>
    store.tamper([
      {
        kind: 'put',
        key: keys.override.key(action),
        value: keys.override.encode({
          action,
          author: 'lab',
          reason: 'a story',
          at: (epoch + Math.floor(kernel.now / 1000)) as EpochMs,
          expires: null,
          breaks: [],
        }),
      },
    ])
  const remove = (action: OverrideAction) => store.tamper([{ kind: 'delete', key: keys.override.key(action) }])
  switch (what) {
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
      put({ kind: 'pin', name })
      break
    case 'unpin':
      remove({ kind: 'pin', name })
      break
    case 'drain':
      put({ kind: 'drain', pool: pool?.id ?? 'pool0', target })
      break
    case 'undrain':
      remove({ kind: 'drain', pool: pool?.id ?? 'pool0', target })
      break
    case 'retire': {
      const gone = removed[subject % Math.max(1, removed.length)]
      if (gone !== undefined) put({ kind: 'retire', name: gone })
      break
    }
  }
}

/** Everything that was cut is joined, everything that was down is up; clocks stay as wrong as they are. */
export function heal(region: Region): void {
  const { kernel, network, store, authorities } = region
  network.mendAll()
  network.weather = calm
  store.mendAll()
  store.up = true
  store.weather = calmStore
  for (const authority of authorities) {
    authority.mendAll()
    authority.up = true
    authority.weather = calmAuthority
  }
  for (const process of kernel.processes) {
    kernel.resume(process)
    kernel.start(process)
  }
  region.wishes.readable = true
  for (const host of region.hosts) host.up = true
  const overrides = store.keys(keys.override.prefix)
  if (overrides.length > 0) store.tamper(overrides.map((key) => ({ kind: 'delete', key })))
}

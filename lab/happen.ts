/** What befalls a region: every kind of happening of a story as a deed, and the healing of all of them. */
import { utf8 } from '../src/base/bytes.ts'
import { keys } from '../src/model/keys.ts'
import type { Name } from '../src/model/name.ts'
import { copyZone, putBackZone } from './backups.ts'
import { generationAt } from './checks/check.ts'
import { editOften, editPolicy, giveOverride } from './operate.ts'
import { canaryId, type Region } from './region.ts'
import { rivalDoes } from './rival.ts'
import { type Authority, calmAuthority } from './sim/authority.ts'
import { calmDisk } from './sim/disk.ts'
import { ms, type Process } from './sim/kernel.ts'
import { calm } from './sim/network.ts'
import { SimulatedServer } from './sim/server.ts'
import { calmStore } from './sim/store.ts'
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
    case 'restart':
      restartAll(region, happening.forMs)
      break
    case 'cut-store':
      store.cut(happening.process, happening.way)
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
    case 'store-full':
      store.full = true
      later(happening.forMs, () => {
        store.full = false
      })
      break
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
        refused: per(happening.refused ?? 0),
      }
      later(happening.forMs, () => {
        authority.weather = calmAuthority
      })
      break
    }
    case 'cut-one-way': {
      const { process } = serverAt(region, happening.zone)
      const [from, to] = happening.way === 'to' ? [happening.process, process.id] : [process.id, happening.process]
      network.cut(from, to)
      later(happening.forMs, () => network.mend(from, to))
      break
    }
    case 'link-weather': {
      const { process } = serverAt(region, happening.zone)
      const per = (of: number) => ({ of, in: 1000 })
      network.setLink(process.id, {
        delay: [ms(1), ms(happening.delayMs)],
        drop: per(happening.drop),
        duplicate: per(happening.duplicate),
        reorder: per(happening.reorder),
        reset: per(happening.reset),
      })
      later(happening.forMs, () => network.setLink(process.id, null))
      break
    }
    case 'disk': {
      const { disk } = serverAt(region, happening.zone)
      disk.weather = {
        delay: happening.what === 'slow' ? [ms(20), ms(800)] : calmDisk.delay,
        failing: happening.what === 'failing' ? { of: 1, in: 3 } : calmDisk.failing,
        full: happening.what === 'full',
      }
      later(happening.forMs, () => {
        disk.weather = calmDisk
      })
      break
    }
    case 'power': {
      const server = serverAt(region, happening.zone)
      server.losePower()
      later(happening.forMs, () => kernel.start(server.process))
      break
    }
    case 'intruder': {
      const server = serverAt(region, happening.zone)
      const names = [...region.policy.endpoints.keys()].filter((name) => region.authorityOf(name) === server)
      const name = names[happening.name % Math.max(1, names.length)]
      if (name !== undefined) server.intrude(name, happening.how)
      break
    }
    case 'replay':
      serverAt(region, happening.zone).replay(happening.which)
      break
    case 'net-weather':
      network.weather = {
        ...calm,
        delay: [ms(1), ms(happening.delayMs)],
        drop: { of: happening.drop, in: 1000 },
        reset: { of: happening.reset ?? 0, in: 1000 },
      }
      later(happening.forMs, () => {
        network.weather = calm
        region.strain.clear()
      })
      break
    case 'cut-net': {
      const { process, way, forMs } = happening
      for (const end of endsAt(region, happening.site)) {
        const [from, to] = way === 'there' ? [process, end] : [end, process]
        network.cut(from, to)
        later(forMs, () => network.mend(from, to))
      }
      break
    }
    case 'strain':
      region.strain.set(happening.process, happening.lateMs)
      later(happening.forMs, () => region.strain.delete(happening.process))
      break
    case 'zone-lost':
    case 'zone-backup': {
      const authority = authorityAt(region, happening.zone)
      if (happening.kind === 'zone-lost' && region.foreign.size > 0) region.forgetCopies()
      if (authority instanceof SimulatedServer) {
        if (happening.kind === 'zone-backup' && happening.what === 'make') authority.makeBackup()
        else if (authority.putBack(happening.kind === 'zone-lost'))
          later(stoppedMs, () => kernel.start(authority.process))
      } else if (happening.kind === 'zone-lost') putBackZone(region, happening.zone, new Map())
      else if (happening.what === 'make') region.copies.set(happening.zone, copyZone(region, happening.zone))
      else putBackZone(region, happening.zone, region.copies.get(happening.zone))
      break
    }
    case 'rival':
      rivalDoes(region, happening)
      break
    case 'store-backup':
      if (happening.what === 'make') region.storeCopy = store.copy()
      else putBackStore(region)
      break
    case 'flap':
      flap(region, happening)
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
    case 'site': {
      const hosts = region.hosts.filter(({ target }) => target % 3 === happening.site)
      for (const host of hosts) host.up = false
      later(happening.forMs, () => {
        for (const host of hosts) host.up = true
      })
      break
    }
    case 'policy':
      editPolicy(region, happening.what, happening.subject ?? 0)
      break
    case 'edits':
      editOften(region, happening.everyMs, happening.times)
      break
    case 'override':
      giveOverride(region, happening.what, happening.subject)
      break
  }
}

/** The targets of a site, or the canary. */
const endsAt = ({ hosts }: Region, site: number): readonly string[] =>
  site === 3
    ? [canaryId]
    : hosts.filter(({ target }) => target % 3 === site).map(({ pool, target }) => `target-${pool}-${target}`)

function restartAll({ kernel, processes }: Region, forMs: number): void {
  for (const process of processes.values()) {
    kernel.crash(process)
    kernel.after(ms(forMs), null, () => kernel.start(process))
  }
}

/** As operators do it: stop everything, put the file back, start everything. */
function putBackStore(region: Region): void {
  const { store, kernel, storeCopy } = region
  if (storeCopy === null) return
  restartAll(region, stoppedMs)
  store.up = false
  // By then whatever was under way to the store is lost.
  kernel.after(ms(stoppedMs / 2), null, () => store.putBack(storeCopy))
  kernel.after(ms(stoppedMs), null, () => {
    store.up = true
  })
}

const stoppedMs = 2_000

function flap({ kernel, hosts }: Region, { pool, target, everyMs, times }: Happening & { kind: 'flap' }): void {
  const host = hosts.find((one) => one.pool === pool && one.target === target)
  if (host === undefined) return
  for (let turn = 0; turn < times; turn++)
    kernel.arrive(ms(turn * everyMs), null, () => {
      host.up = turn % 2 === 1
    })
}

function serverAt(region: Region, zone: number): SimulatedServer {
  const authority = authorityAt(region, zone)
  if (!(authority instanceof SimulatedServer)) throw new Error(`expected a server for zone ${zone}, found a fake`)
  return authority
}

function authorityAt(region: Region, zone: number): Authority {
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
    return !progress.blocked.some((one) => one.name === name && one.ours !== true)
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
    case 'documents': {
      const all = ['observation/', 'override/', 'claim/', 'progress/', 'policy'].flatMap((prefix) => store.keys(prefix))
      const garbled = [...all, keys.override.key({ kind: 'freeze' })]
      store.tamper([...new Set(garbled)].map((key) => ({ kind: 'put', key, value: utf8('{"at":') })))
      break
    }
    case 'everything': {
      const all = store.keys('')
      if (all.length > 0) store.tamper(all.map((key) => ({ kind: 'delete', key })))
      break
    }
  }
}

/** Signatures are good for five minutes: whoever is further off is told so, and somebody sets that clock. */
function setClocks(processes: readonly Process[]): void {
  for (const process of processes) {
    if (Math.abs(process.wallOffsetMs) > 120_000) process.wallOffsetMs = 0
    process.driftPpm = 0
  }
}

/** Everything that was cut is joined, everything that was down is up; clocks stay as wrong as they are. */
export function heal(region: Region): void {
  const { kernel, network, store, authorities } = region
  network.mendAll()
  network.weather = calm
  store.mendAll()
  store.up = true
  store.full = false
  store.weather = calmStore
  for (const authority of authorities) {
    authority.mendAll()
    authority.up = true
    authority.weather = calmAuthority
  }
  for (const { process, disk } of region.servers) {
    network.setLink(process.id, null)
    disk.weather = calmDisk
  }
  if (region.servers.length > 0) setClocks(kernel.processes)
  for (const process of kernel.processes) {
    kernel.resume(process)
    kernel.start(process)
  }
  if (region.wishes.withheld !== 'nothing')
    region.edit((wishes) => {
      wishes.withheld = 'nothing'
    })
  region.wishes.readable = true
  for (const host of region.hosts) host.up = true
  const overrides = store.keys(keys.override.prefix)
  if (overrides.length > 0) store.tamper(overrides.map((key) => ({ kind: 'delete', key })))
}

/** What a scenario does to its region: crashes, cuts, weather, hands, instructions, changes of the policy. */
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { OverrideAction } from '../../src/model/override.ts'
import type { Endpoint, Policy } from '../../src/model/policy.ts'
import type { EpochMs } from '../../src/world/world.ts'
import { type Authority, calmAuthority } from '../sim/authority.ts'
import { calmDisk, type SimulatedDisk } from '../sim/disk.ts'
import { ms, type Process } from '../sim/kernel.ts'
import { SimulatedServer } from '../sim/server.ts'
import { calmStore } from '../sim/store.ts'
import { epoch } from '../sim/world.ts'
import type { Stage } from './stage.ts'

/** `5s`, `250ms`, `3h`. */
export function durationOf(text: string): number {
  const [, digits, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
  if (digits === undefined) throw new Error(`expected a time such as 5s or 3h, found "${text}"`)
  return Number(digits) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit as 'ms' | 's' | 'm' | 'h']
}

/** Words that follow each other, as keys and values. */
export function pairs(args: readonly string[]): Map<string, string> {
  const map = new Map<string, string>()
  for (let i = 0; i < args.length; i += 2) map.set(args[i] as string, args[i + 1] ?? '')
  return map
}

function processesOf(stage: Stage, word: string): readonly Process[] {
  const all = [...stage.region.processes.values()]
  if (word === 'all') return all
  const many = /^(planner|enactor|prober)s$/.exec(word)?.[1]
  return many === undefined ? [stage.region.process(word)] : all.filter(({ id }) => id.startsWith(`${many}-`))
}

/** One deed. @throws Error for a word that is none */
export function befall(stage: Stage, word: string, args: readonly string[]): void {
  const { kernel, region } = stage
  const [first = '', second = ''] = args
  const zone = /^zone([0-9])$/.exec(word)
  if (zone !== null) {
    weather(stage.region.authorities[Number(zone[1])] as Authority, args)
    return
  }
  switch (word) {
    case 'crash':
      for (const process of processesOf(stage, first)) {
        kernel.crash(process)
        stage.chronicle.end('run', process.id)
        stage.chronicle.begin('down', { lane: process.id, tone: 'down', text: 'down' })
      }
      break
    case 'start':
      for (const process of processesOf(stage, first)) {
        kernel.start(process)
        stage.chronicle.end('down', process.id)
      }
      break
    case 'pause':
      for (const process of processesOf(stage, first)) {
        const forMs = durationOf(second)
        const at = kernel.now / 1000
        kernel.pause(process, ms(forMs))
        stage.chronicle.spans.push({ lane: process.id, from: at, to: at + forMs, tone: 'held' })
      }
      break
    case 'cut':
    case 'mend':
      for (const { id } of processesOf(stage, first)) {
        const link = second === 'store' ? region.store : region.authorities[Number(second.slice('zone'.length))]
        if (word === 'cut') link?.cut(id)
        else link?.mend(id)
      }
      break
    case 'store':
      region.store.weather =
        first === 'calm' ? calmStore : { ...calmStore, lost: percents(args).get('lost') ?? calmStore.lost }
      break
    case 'target':
    case 'pool':
      for (const host of region.hosts)
        if (first === (word === 'pool' ? String(host.pool) : `${host.pool}/${host.target}`)) host.up = second === 'up'
      break
    case 'flap':
      flap(stage, first, Number(second))
      break
    case 'policy':
      editPolicy(stage, args)
      break
    case 'override':
    case 'revoke':
      instruct(stage, word, args)
      break
    case 'disk':
      diskOf(stage, first).weather = {
        delay: second === 'slow' ? [ms(20), ms(800)] : calmDisk.delay,
        failing: second === 'failing' ? { of: 1, in: 1 } : calmDisk.failing,
        full: second === 'full',
      }
      break
    case 'power':
      serverOf(stage, first).losePower()
      kernel.after(ms(500), null, () => kernel.start(serverOf(stage, first).process))
      break
    case 'deployment':
      stage.addDeployment(first, Number(pairs(args.slice(1)).get('ttl') ?? 30))
      break
    case 'stop':
      stage.stopDeployment()
      break
    case 'hand':
      byHand(stage, first as Name, args.slice(1))
      break
    default:
      throw new Error(`expected a command, found "${word} ${args.join(' ')}"`)
  }
}

function serverOf({ region }: Stage, zone: string): SimulatedServer {
  const authority = region.authorities[Number(zone.slice('zone'.length))]
  if (!(authority instanceof SimulatedServer)) throw new Error(`expected a server for ${zone}, found a fake`)
  return authority
}

const diskOf = (stage: Stage, zone: string): SimulatedDisk => serverOf(stage, zone).disk

function percents(args: readonly string[]) {
  return new Map([...pairs(args)].map(([key, value]) => [key, { of: Number(value.replace('%', '')), in: 100 }]))
}

function weather(authority: Authority, args: readonly string[]): void {
  authority.weather = args[0] === 'calm' ? calmAuthority : { ...calmAuthority, ...Object.fromEntries(percents(args)) }
}

/** Down for one look of the prober, up for the next, so many times. */
function flap({ kernel, region }: Stage, target: string, times: number): void {
  const turn = (left: number) => {
    for (const host of region.hosts) if (target === `${host.pool}/${host.target}`) host.up = left % 2 === 0
    if (left > 0) kernel.after(ms(1_000), null, () => turn(left - 1))
  }
  turn(times * 2)
}

function editPolicy(stage: Stage, [what = '', ...rest]: readonly string[]): void {
  const { region } = stage
  const [first = '', second = '', third = ''] = rest
  const endpoint =
    (name: Name, from: Endpoint['from']) =>
    (policy: Policy): Policy => {
      const zone = [...policy.zones.keys()].find((apex) => name.endsWith(`.${apex}`)) as Name
      const made: Endpoint = { name, zone, ttl: region.wishes.ttl as never, from, adopt: false }
      return { ...policy, endpoints: new Map([...policy.endpoints, [name, made]]) }
    }
  switch (what) {
    case 'ttl':
      stage.editWishes((wishes) => {
        wishes.ttl = Number(first)
      })
      break
    case 'add':
      stage.editPolicy(endpoint(first as Name, { kind: 'pool', pool: 'pool0' }))
      break
    case 'remove':
      stage.editPolicy((policy) => ({ ...policy, endpoints: without(policy.endpoints, first as Name) }))
      break
    case 'alias':
      if (second !== 'of') throw new Error('expected "policy alias NAME of NAME"')
      stage.editPolicy(endpoint(first as Name, { kind: 'alias', of: third as Name }))
      break
    case 'addresses': {
      const addresses = rest.slice(1).map((address) => ({ address: address as never, weight: 1 }))
      stage.editPolicy(endpoint(first as Name, { kind: 'addresses', addresses: addresses as never }))
      break
    }
    case 'empty':
      stage.editPolicy((policy) => ({ ...policy, endpoints: new Map(), pools: new Map() }))
      break
    case 'unreadable':
    case 'readable':
      stage.editWishes((wishes) => {
        wishes.readable = what === 'readable'
      })
      break
    case 'other':
      stage.giveOther(second, 3_600_000, (policy) => ({
        ...policy,
        endpoints: new Map([...policy.endpoints].slice(1)),
      }))
      break
    default:
      throw new Error(`expected a change of the policy, found "${what}"`)
  }
}

const without = (endpoints: Policy['endpoints'], name: Name) =>
  new Map([...endpoints].filter(([other]) => other !== name))

function instruct(stage: Stage, word: string, args: readonly string[]): void {
  const breaking = args.indexOf('breaking')
  const [kind = '', first = '', second = ''] = breaking < 0 ? args : args.slice(0, breaking)
  const actions: Record<string, OverrideAction> = {
    drain: { kind: 'drain', pool: first, target: second },
    pin: { kind: 'pin', name: first as Name },
    retire: { kind: 'retire', name: first as Name },
    freeze: { kind: 'freeze' },
    rollback: { kind: 'rollback', to: Number(first) as never },
  }
  const action = actions[kind]
  if (action === undefined) throw new Error(`expected an instruction, found "${kind}"`)
  const key = keys.override.key(action)
  const { store } = stage.region
  if (word === 'revoke') {
    store.tamper([{ kind: 'delete', key }])
    return
  }
  const value = keys.override.encode({
    action,
    author: 'an operator',
    reason: 'a scenario',
    at: (epoch + Math.floor(stage.kernel.now / 1000)) as EpochMs,
    expires: null,
    breaks: breaking < 0 ? [] : args.slice(breaking + 1),
  })
  store.tamper([{ kind: 'put', key, value }])
}

function byHand(stage: Stage, name: Name, [what = '', ...rest]: readonly string[]): void {
  const authority = stage.region.authorityOf(name)
  switch (what) {
    case 'addresses':
      authority.tamper(name, { addresses: rest as never, alias: null, ttl: 5 as never })
      break
    case 'empty':
      authority.tamper(name, { addresses: [], alias: null, ttl: null })
      break
    case 'unmarked':
      authority.tamper(name, { marker: [] })
      break
    case 'ttl':
      authority.tamper(name, { ttl: Number(rest[0]) as never })
      break
    case 'text':
      if (!(authority instanceof SimulatedServer)) throw new Error('expected a server, found a fake')
      authority.addText(name, rest[0] ?? '')
      break
    default:
      throw new Error(`expected a hand's deed, found "${what}"`)
  }
}

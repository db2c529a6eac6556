/** Slots, order of commands, drift: against a model of HAProxy that obeys one command after the other. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HaproxyModel } from '../../test/support/haproxy-model.ts'
import type { IpAddress } from '../model/address.ts'
import type { Generation } from '../model/generation.ts'
import { type Backend, inspectBackend } from './inspect.ts'
import { markerAddress, readMarker } from './marker.ts'
import { driftOf, type Push, pushOf } from './reconcile.ts'
import { parseServersState } from './replies.ts'
import { assign, isSlot } from './slots.ts'
import type { Wanted } from './weights.ts'

const generation = 7 as Generation
const slotCount = 6

const wantedList = fc
  .array(
    fc.record({
      host: fc.integer({ min: 1, max: 9 }),
      weight: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 256 })),
      drained: fc.boolean(),
    }),
    { minLength: 1, maxLength: slotCount - 1 },
  )
  .map((list) => [...new Map(list.map((one) => [one.host, one])).values()])
  .filter((list) => list.some(({ weight, drained }) => weight > 0 && !drained))
  .map((list) =>
    list.map(
      ({ host, weight, drained }): Wanted => ({
        target: `t${host}`,
        address: `192.0.2.${host}` as IpAddress,
        port: 80,
        weight: drained ? 0 : weight,
        drained,
      }),
    ),
  )

const handwork = fc.record({
  slot: fc.integer({ min: 1, max: slotCount }),
  weight: fc.integer({ min: 0, max: 256 }),
  state: fc.constantFrom('ready' as const, 'drain' as const, 'maint' as const),
  host: fc.integer({ min: 1, max: 9 }),
})

function read(model: HaproxyModel): Backend {
  const found = inspectBackend('web', 1, parseServersState(model.answer('show servers state')) ?? [])
  if ('kind' in found) throw new Error(found.found)
  return found
}

function push(model: HaproxyModel, wanted: readonly Wanted[], backend = read(model)): Push {
  const address = markerAddress('me', generation)
  const result = pushOf('web', { server: backend.marker, address }, backend.slots, assign(wanted, backend.slots))
  for (const command of result.commands) model.answer(command)
  return result
}

const serves = (wanted: readonly Wanted[]) =>
  Object.fromEntries(
    wanted
      .filter(({ weight, drained }) => weight > 0 && !drained)
      .map(({ address, port, weight }) => [`${address}:${port}`, weight]),
  )

describe('a push', () => {
  test('makes HAProxy what is wanted, whatever it was, and a second one changes nothing', () => {
    fc.assert(
      fc.property(fc.array(handwork, { maxLength: 6 }), wantedList, (hands, wanted) => {
        const model = new HaproxyModel('web', slotCount)
        for (const { slot, weight, state, host } of hands)
          Object.assign(model.server('web', `slot${slot}`), {
            weight,
            state,
            address: `192.0.2.${host}` as IpAddress,
            port: 80,
          })
        push(model, wanted)
        expect(Object.fromEntries(model.serving('web'))).toEqual(serves(wanted))
        const backend = read(model)
        expect(readMarker(backend.marker.address, 'me')).toEqual({ kind: 'generation', generation })
        const again = push(model, wanted, backend)
        expect(again.changed).toBe(false)
        expect(again.commands.length).toBe(slotCount + 1)
      }),
      { numRuns: 300 },
    )
  })

  test('knows what it leaves', () => {
    fc.assert(
      fc.property(fc.array(wantedList, { minLength: 1, maxLength: 4 }), (lists) => {
        const model = new HaproxyModel('web', slotCount)
        for (const wanted of lists) {
          const { after } = push(model, wanted)
          expect(driftOf(after, read(model).slots)).toEqual([])
        }
      }),
    )
  })

  test('never serves nobody on the way, while there are more slots than targets', () => {
    fc.assert(
      fc.property(wantedList, wantedList, (first, second) => {
        const model = new HaproxyModel('web', 2 * slotCount)
        push(model, first)
        model.afterEach = (command) => {
          if (model.serving('web').size === 0) throw new Error(`nobody serves after ${command}`)
        }
        push(model, second)
      }),
      { numRuns: 500 },
    )
  })

  test('takes no share away before it gave it to others', () => {
    fc.assert(
      fc.property(wantedList, wantedList, (first, second) => {
        const model = new HaproxyModel('web', 2 * slotCount)
        push(model, first)
        const sum = () => [...model.serving('web').values()].reduce((total, weight) => total + weight, 0)
        const before = sum()
        const goal = Object.values(serves(second)).reduce((total, weight) => total + weight, 0)
        model.afterEach = () => expect(sum()).toBeGreaterThanOrEqual(Math.min(before, goal))
        push(model, second)
      }),
      { numRuns: 300 },
    )
  })

  test('changes an address in maintenance only', () => {
    fc.assert(
      fc.property(wantedList, wantedList, (first, second) => {
        const model = new HaproxyModel('web', slotCount)
        push(model, first)
        model.beforeEach = (command) => {
          const moved = /^set server web\/(slot\d+) addr/.exec(command)?.[1]
          if (moved !== undefined) expect(model.server('web', moved).state).toBe('maint')
        }
        // Every slot is taken, so that some have to move while they serve.
        for (let slot = 1; slot <= slotCount; slot++) model.server('web', `slot${slot}`).state = 'ready'
        push(model, second)
      }),
    )
  })

  test('begins with the marker, and is as long for one change as for none', () => {
    const model = new HaproxyModel('web', slotCount)
    const wanted = (weight: number): Wanted[] =>
      [1, 2].map((host) => ({
        target: `t${host}`,
        address: `192.0.2.${host}` as IpAddress,
        port: 80,
        weight: host === 1 ? weight : 9,
        drained: false,
      }))
    push(model, wanted(5))
    const still = push(model, wanted(5))
    const moved = push(model, wanted(0))
    expect(still.commands[0]).toBe(`set server web/holdfast-generation addr ${markerAddress('me', generation)}`)
    expect([still.changed, moved.changed]).toEqual([false, true])
    expect(moved.commands.length).toBe(still.commands.length)
  })

  test('touches no server that is not ours', () => {
    const model = new HaproxyModel('web', slotCount)
    const servers = model.backends.get('web') as Map<string, unknown>
    servers.set('slot', { ...model.server('web', 'slot1'), id: 90 })
    servers.set('sorry', { ...model.server('web', 'slot1'), id: 91 })
    servers.set('slot07', { ...model.server('web', 'slot1'), id: 92 })
    expect(read(model).foreign).toEqual(['slot', 'sorry', 'slot07'])
    push(model, [{ target: 't', address: '192.0.2.1' as IpAddress, port: 80, weight: 1, drained: false }])
    expect(model.obeyed.filter((command) => /^set .*(?:slot |sorry|slot07)/.test(command))).toEqual([])
  })
})

describe('slots', () => {
  test('a target keeps its slot whatever happens to others', () => {
    fc.assert(
      fc.property(fc.array(wantedList, { minLength: 2, maxLength: 5 }), (lists) => {
        const model = new HaproxyModel('web', 2 * slotCount)
        let before = new Map<string, string>()
        for (const wanted of lists) {
          const { placed } = assign(wanted, read(model).slots)
          push(model, wanted)
          const now = new Map([...placed].map(([slot, { target }]) => [target, slot]))
          for (const [target, slot] of now) if (before.has(target)) expect(slot).toBe(before.get(target))
          before = now
        }
      }),
    )
  })

  test('of too few, those who carry traffic have them', () => {
    fc.assert(
      fc.property(wantedList, fc.integer({ min: 1, max: 3 }), (wanted, count) => {
        const { placed, left } = assign(wanted, read(new HaproxyModel('web', count)).slots)
        expect(placed.size + left.length).toBe(wanted.length)
        const active = wanted.filter(({ weight }) => weight > 0).length
        expect([...placed.values()].filter(({ weight }) => weight > 0).length).toBe(Math.min(active, count))
      }),
    )
  })

  test('that are free are taken again in the order in which they became so', () => {
    const { slots } = read(new HaproxyModel('web', 3))
    const still = slots.map((slot, index) => ({ ...slot, unchangedFor: [4, 90, 30][index] ?? 0 }))
    const wanted = (host: number): Wanted => ({
      target: `t${host}`,
      address: `192.0.2.${host}` as IpAddress,
      port: 80,
      weight: 1,
      drained: false,
    })
    expect([...assign([wanted(1), wanted(2)], still).placed.keys()]).toEqual(['slot2', 'slot3'])
    const busy = still.map((slot) => (slot.name === 'slot2' ? { ...slot, state: 'drain' as const } : slot))
    expect([...assign([wanted(1), wanted(2)], busy).placed.keys()]).toEqual(['slot3', 'slot1'])
  })

  test('are told by their names', () => {
    expect(['slot1', 'slot4000'].every(isSlot)).toBe(true)
    expect(['slot', 'slot0', 'slot01', 'slots1', 'slot1x', 'Slot1', 'holdfast-generation'].some(isSlot)).toBe(false)
  })
})

describe('the marker', () => {
  test('is read as it was written, up to the greatest generation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 }), fc.string(), (number, owner) => {
        const written = markerAddress(owner, number as Generation)
        expect(readMarker(written, owner)).toEqual({ kind: 'generation', generation: number })
      }),
    )
    expect(readMarker(markerAddress('a', 5 as Generation), 'b')).toEqual({ kind: 'foreign' })
  })
  test('of any other address is none', () => {
    for (const address of ['127.0.0.1', '::1', 'fd48::1', '::ffff:1.2.3.4', 'fd48:4f4d::7'])
      expect(readMarker(address as IpAddress, 'me').kind).toBe('none')
    expect(readMarker(null, 'me').kind).toBe('none')
    expect(readMarker('fd48:4f4c::ffff:ffff:ffff:ffff' as IpAddress, 'me').kind).not.toBe('generation')
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Class, isStrict } from './classes.ts'
import { NeedSet } from './need-set.ts'

const hosts = 12
const sites = 3

/** As slow and as plain as can be: members in order of arrival, and the round of sites of each class. */
class Naive {
  members: { host: number; klass: Class; site: number; deadline: number }[] = []
  rounds = new Map<Class, number[]>()

  add(host: number, klass: Class, site: number, deadline: number): boolean {
    const old = this.members.find((one) => one.host === host)
    if (old?.klass === klass && old.site === site) return false
    if (old !== undefined) this.remove(host)
    this.members.push({ host, klass, site, deadline })
    const round = this.rounds.get(klass) ?? []
    if (!round.includes(site)) round.push(site)
    this.rounds.set(klass, round)
    return old === undefined
  }

  remove(host: number): boolean {
    const old = this.members.find((one) => one.host === host)
    if (old === undefined) return false
    this.members = this.members.filter((one) => one !== old)
    if (!this.members.some(({ klass, site }) => klass === old.klass && site === old.site))
      this.rounds.set(
        old.klass,
        (this.rounds.get(old.klass) ?? []).filter((site) => site !== old.site),
      )
    return true
  }

  take(klass: Class): number {
    const round = this.rounds.get(klass) ?? []
    const site = round[0]
    if (site === undefined) return -1
    this.rounds.set(klass, [...round.slice(1), site])
    const first = this.members.find((one) => one.klass === klass && one.site === site)
    this.remove(first?.host as number)
    return first?.host as number
  }

  strictNext(): { klass: Class; deadline: number } | undefined {
    return this.members
      .filter(({ klass }) => isStrict(klass))
      .sort((a, b) => a.klass - b.klass || a.deadline - b.deadline)[0]
  }
}

const host = fc.nat({ max: hosts - 1 })
const klass = fc.constantFrom<Class[]>(0, 1, 2, 3, 5)
const step = fc.oneof(
  fc.record({
    do: fc.constant('add' as const),
    host,
    klass,
    site: fc.nat({ max: sites - 1 }),
    deadline: fc.nat({ max: 9 }),
  }),
  fc.record({ do: fc.constant('remove' as const), host }),
  fc.record({ do: fc.constant('take' as const), klass: fc.constantFrom<Class[]>(2, 3, 5) }),
  fc.record({ do: fc.constant('strict' as const) }),
)

describe('the need-set', () => {
  test('does what a plain list does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const set = new NeedSet(hosts, sites)
        const naive = new Naive()
        for (const one of steps) {
          if (one.do === 'add')
            expect(set.add(one.host, one.klass, one.site, one.deadline)).toBe(
              naive.add(one.host, one.klass, one.site, one.deadline),
            )
          else if (one.do === 'remove') expect(set.remove(one.host)).toBe(naive.remove(one.host))
          else if (one.do === 'take') expect(set.take(one.klass)).toBe(naive.take(one.klass))
          else {
            // Which of two with the same deadline comes first is nobody's promise.
            const next = naive.strictNext()
            const taken = set.takeStrict()
            const found = naive.members.find((member) => member.host === taken)
            expect(found && { klass: found.klass, deadline: found.deadline }).toEqual(
              next && { klass: next.klass, deadline: next.deadline },
            )
            naive.remove(taken)
          }
          expect(set.size).toBe(naive.members.length)
          expect(set.size).toBeLessThanOrEqual(hosts)
          for (const k of [0, 1, 2, 3, 5] as const)
            expect(set.waiting[k]).toBe(naive.members.filter((member) => member.klass === k).length)
          for (let i = 0; i < hosts; i++)
            expect(set.classOf(i)).toBe(naive.members.find((member) => member.host === i)?.klass)
        }
      }),
    )
  })

  test('lets sites take turns, and the longest waiting first within each', () => {
    const set = new NeedSet(10, 2)
    for (const host of [0, 1, 2, 3]) set.add(host, 2, 0, 0)
    for (const host of [4, 5]) set.add(host, 2, 1, 0)
    expect([1, 2, 3, 4, 5, 6, 7].map(() => set.take(2))).toEqual([0, 4, 1, 5, 2, 3, -1])
  })

  test('a host that asks again keeps its place', () => {
    const set = new NeedSet(3, 1)
    set.add(0, 2, 0, 0)
    set.add(1, 2, 0, 0)
    for (let i = 0; i < 1000; i++) set.add(0, 2, 0, 0)
    expect(set.size).toBe(2)
    expect(set.take(2)).toBe(0)
  })

  test('fencing goes before renewals, whatever their deadlines', () => {
    const set = new NeedSet(3, 1)
    set.add(0, 1, 0, 5)
    set.add(1, 0, 0, 1e12)
    set.add(2, 1, 0, 3)
    expect([set.takeStrict(), set.takeStrict(), set.takeStrict()]).toEqual([1, 2, 0])
  })
})

/**
 * A checker such as most are: every target once a second, sooner where it failed; out after two failures,
 * in after two passes; a site that mostly fails is failed over from. Each rule is sensible by itself.
 */
import type { World } from '../../../src/world/world.ts'
import { Kernel, ms } from '../../sim/kernel.ts'
import { Network } from '../../sim/network.ts'
import { simulatedWorld } from '../../sim/world.ts'
import type { TellOptions } from '../october-2025/night.ts'
import {
  addressOf,
  arriving,
  Changes,
  endMs,
  established,
  type Flapping,
  Fleet,
  type Sample,
  sampleOf,
  siteOf,
  sites,
} from './fleet.ts'
import { FlappingTeller } from './teller.ts'

const intervalMs = 1_000
/** A target that just failed is looked at again soon. */
const fastMs = 200
const timeoutMs = 800
const fall = 2
const rise = 2
/** A site of which more fails is left. */
const siteFails = 0.5

export async function classicFlapping({ seed, tell }: TellOptions): Promise<Flapping> {
  const kernel = new Kernel({ seed })
  const network = new Network(kernel)
  const fleet = new Fleet(kernel)
  const teller = new FlappingTeller(() => kernel.now / 1000, tell)
  const hosts = Array.from({ length: established + arriving }, (_, target) =>
    kernel.add(`target-${target}`, () => new Promise(() => {})),
  )
  fleet.listen(network, (target) => hosts[target] as (typeof hosts)[number])
  const up = new Set<number>(Array.from({ length: established }, (_, target) => target))
  const out = new Set<string>()
  const sitesOut: number[] = []
  const changes = new Changes()
  let answer = answerOf(up, out, fleet.started)
  const apply = () => {
    const next = answerOf(up, out, fleet.started)
    const changed = changes.note(answer, next)
    answer = next
    fleet.changed(changed)
  }

  const check = async (world: World, target: number): Promise<never> => {
    await world.clock.sleep(world.random.below(intervalMs))
    let run = 0
    let last = true
    for (;;) {
      if (target >= fleet.started) {
        await world.clock.sleep(intervalMs)
        continue
      }
      const began = world.clock.now()
      const to = { host: addressOf(target), port: 80 }
      const reply = await world.net.request({ method: 'GET', to, path: '/', headers: {} }, timeoutMs)
      const passed = reply.kind === 'http'
      run = passed === last ? run + 1 : 1
      last = passed
      if (passed ? run >= rise && !up.has(target) : run >= fall && up.has(target)) {
        if (passed) up.add(target)
        else up.delete(target)
        apply()
      }
      const settled = up.has(target) === passed && run >= Math.max(fall, rise)
      await world.clock.sleep(Math.max(0, (settled ? intervalMs : fastMs) - (world.clock.now() - began)))
    }
  }
  const failover = async (world: World): Promise<never> => {
    for (;;) {
      await world.clock.sleep(intervalMs)
      for (const site of sites) {
        const mine = Array.from({ length: fleet.started }, (_, target) => target).filter((one) => siteOf(one) === site)
        const failing = mine.filter((target) => !up.has(target)).length / mine.length
        if (failing > siteFails === out.has(site)) continue
        if (failing > siteFails) {
          out.add(site)
          sitesOut.push(kernel.now / 1000)
        } else out.delete(site)
        teller.site(site, out.has(site), failing)
        apply()
      }
    }
  }
  const checker = kernel.add('checker', async (self) => {
    const world = simulatedWorld(kernel, network, self, () => {})
    const all = Array.from({ length: established + arriving }, (_, target) => check(world, target))
    return await Promise.all([...all, failover(world)])
  })
  for (const host of hosts) kernel.start(host)
  kernel.start(checker)
  const samples: Sample[] = []
  for (let atMs = 1_000; atMs <= endMs; atMs += 1_000) {
    await kernel.run(ms(atMs))
    samples.push(teller.sample(sampleOf(fleet, atMs, answer)))
  }
  return {
    hash: kernel.hash,
    samples,
    changes: changes.total,
    mostOfOne: changes.mostOfOne,
    sitesOut,
    checks: fleet.checks,
  }
}

/** Where every site is left all answer that are up, and where nobody is, everybody. */
function answerOf(up: ReadonlySet<number>, out: ReadonlySet<string>, started: number): ReadonlySet<number> {
  const inSites = [...up].filter((target) => !out.has(siteOf(target)))
  if (inSites.length > 0) return new Set(inSites)
  return new Set(up.size > 0 ? up : Array.from({ length: started }, (_, target) => target))
}

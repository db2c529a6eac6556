/**
 * Which target stands in which slot. HAProxy's servers cannot come and go and survive a reload, so a
 * backend has a fixed number of slots. Who stands where is told by the addresses in HAProxy itself, so
 * every balancer, also after a restart, comes to the same.
 */
import type { Server } from './replies.ts'
import type { Wanted } from './weights.ts'

/** How `server-template` names the slots: this and a number from 1. */
export const slotPrefix = 'slot'

export const isSlot = (name: string): boolean => /^slot[1-9][0-9]{0,4}$/.test(name)

export interface Placement {
  /** By slot name. */
  readonly placed: ReadonlyMap<string, Wanted>
  /** For whom no slot is left. */
  readonly left: readonly Wanted[]
}

/**
 * A target keeps the slot that has its address. Others get a free slot: first one that serves nobody, and
 * of these the one that has been still for longest. If there are too few, those who carry traffic go first.
 */
export function assign(wanted: readonly Wanted[], slots: readonly Server[]): Placement {
  const holders = new Map<string, Server>()
  for (const slot of slots) {
    const at = slot.address === null ? '' : `${slot.address} ${slot.port}`
    const other = holders.get(at)
    // The same address twice is somebody's hand: the slot that serves keeps it.
    if (other === undefined || (other.state === 'maint' && slot.state !== 'maint')) holders.set(at, slot)
  }
  const holderOf = ({ address, port }: Wanted) => holders.get(`${address} ${port}`)
  const claims = wanted
    .map((one) => ({ one, holder: holderOf(one) }))
    .sort(
      (a, b) =>
        Number(b.one.weight > 0) - Number(a.one.weight > 0) ||
        Number(b.holder !== undefined) - Number(a.holder !== undefined),
    )
  const fit = claims.slice(0, slots.length)
  const placed = new Map<string, Wanted>()
  for (const { one, holder } of fit) if (holder !== undefined) placed.set(holder.name, one)
  const free = slots
    .filter(({ name }) => !placed.has(name))
    .sort((a, b) => Number(a.state !== 'maint') - Number(b.state !== 'maint') || b.unchangedFor - a.unchangedFor)
  for (const { one, holder } of fit) {
    if (holder !== undefined) continue
    const slot = free.shift()
    if (slot !== undefined) placed.set(slot.name, one)
  }
  return { placed, left: claims.slice(slots.length).map(({ one }) => one) }
}

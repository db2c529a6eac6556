/**
 * From what HAProxy has to what it must have: the commands, in an order in which it never serves nobody,
 * and what somebody else changed meanwhile.
 */
import type { IpAddress } from '../model/address.ts'
import type { SlotState } from '../model/haproxy.ts'
import { setAddress, setState, setWeight } from './commands.ts'
import { markerServer } from './marker.ts'
import type { Server } from './replies.ts'
import type { Placement } from './slots.ts'
import type { Wanted } from './weights.ts'

/** What a slot must be; undefined: free, which is in maintenance, at the address that it last had. */
function stateOf(wanted: Wanted | undefined): SlotState {
  if (wanted === undefined) return 'maint'
  return wanted.drained ? 'drain' : 'ready'
}

const weightOf = (wanted: Wanted | undefined): number => wanted?.weight ?? 0
const serves = (state: SlotState, weight: number): boolean => state === 'ready' && weight > 0

export interface Push {
  readonly commands: readonly string[]
  /** What the slots are once all commands were obeyed. */
  readonly after: readonly Server[]
  /** The same for the marker. */
  readonly marker: Server
  /** More than weights and the marker was sent. */
  readonly structural: boolean
  /** HAProxy has something else afterwards than before. */
  readonly changed: boolean
}

/**
 * One weight for every slot, always, and whatever else differs. First the marker, then what takes on
 * traffic, then the slots that change their address one after the other, last what gives traffic up.
 */
export function pushOf(
  backend: string,
  marker: { readonly server: Server; readonly address: IpAddress },
  slots: readonly Server[],
  { placed }: Placement,
): Push {
  const rising: string[] = []
  const moving: string[] = []
  const falling: string[] = []
  const after: Server[] = []
  let structural = false
  let changed = marker.server.address !== marker.address || marker.server.state !== 'maint'
  for (const slot of slots) {
    const wanted = placed.get(slot.name)
    const weight = weightOf(wanted)
    const state = stateOf(wanted)
    const moves = wanted !== undefined && (wanted.address !== slot.address || wanted.port !== slot.port)
    const commands: string[] = []
    // An address changes in maintenance only: what is under way goes on, and nothing idle is used for the new one.
    if (moves && slot.state !== 'maint') commands.push(setState(backend, slot.name, 'maint'))
    if (moves) commands.push(setAddress(backend, slot.name, wanted.address, wanted.port))
    commands.push(setWeight(backend, slot.name, weight))
    if (state !== slot.state || commands.length > 2) commands.push(setState(backend, slot.name, state))
    const before = serves(slot.state, slot.weight)
    if (before && (!serves(state, weight) || (weight < slot.weight && !moves))) falling.push(...commands)
    else (before && moves ? moving : rising).push(...commands)
    structural ||= commands.length > 1
    changed ||= commands.length > 1 || weight !== slot.weight
    after.push({ ...slot, weight, state, ...(moves && { address: wanted.address, port: wanted.port }) })
  }
  // Its own port and weight are nobody's business; that it is never used is.
  const guard = marker.server.state === 'maint' ? [] : [setState(backend, markerServer, 'maint')]
  const mark = [...guard, setAddress(backend, markerServer, marker.address)]
  return {
    commands: [...mark, ...rising, ...moving, ...falling],
    after,
    marker: { ...marker.server, address: marker.address, state: 'maint' },
    structural,
    changed,
  }
}

export interface Drift {
  readonly slot: string
  readonly expected: string
  readonly found: string
}

/** What is otherwise than it was left. */
export function driftOf(left: readonly Server[], found: readonly Server[]): readonly Drift[] {
  const now = new Map(found.map((slot) => [slot.name, slot]))
  return left.flatMap((slot) => {
    const other = now.get(slot.name)
    if (other === undefined) return [{ slot: slot.name, expected: slotText(slot), found: 'no such server' }]
    const same =
      slot.state === other.state &&
      slot.weight === other.weight &&
      (slot.state === 'maint' || (slot.address === other.address && slot.port === other.port))
    return same ? [] : [{ slot: slot.name, expected: slotText(slot), found: slotText(other) }]
  })
}

const slotText = ({ address, port, weight, state }: Server): string => `${address ?? '-'} ${port} ${state} ${weight}`

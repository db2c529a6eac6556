/** What stands at a name as records of an update message (RFC 2136), and which endpoints such a message is about. */
import type { Message } from '../../src/dns/message.ts'
import { fold, nameFromText, nameToText, type WireName } from '../../src/dns/name.ts'
import { aData, nameData, txtData } from '../../src/dns/rdata.ts'
import { Type } from '../../src/dns/types.ts'
import { addRecord, deleteRrset, type Update } from '../../src/dns/update.ts'
import { markerNameOf, type Name } from '../../src/model/name.ts'
import type { Standing } from './authority.ts'

/** The endpoint that a name, or its marker's name, is about. */
export function endpointOf(key: WireName): Name {
  const text = nameToText(key)
  return (text.startsWith('_holdfast.') ? text.slice('_holdfast.'.length) : text) as Name
}

/** By the names that it changes. */
export const endpointsIn = ({ authorities }: Message): readonly Name[] => [
  ...new Set(authorities.map(({ name }) => endpointOf(fold(name)))),
]

/** That it comes to stand there. */
export function additions(name: Name, { marker, addresses, alias, ttl }: Standing): readonly Update[] {
  const owner = nameFromText(name) as WireName
  const updates = marker.map((strings) =>
    addRecord(nameFromText(markerNameOf(name)) as WireName, Type.TXT, 0, txtData(strings)),
  )
  for (const address of addresses) updates.push(addRecord(owner, Type.A, ttl ?? 60, aData(address)))
  if (alias !== null) updates.push(addRecord(owner, Type.CNAME, ttl ?? 60, nameData(nameFromText(alias) as WireName)))
  return updates
}

/** That it no longer does. */
export function deletions(name: Name, { marker, addresses, alias }: Standing): readonly Update[] {
  const owner = nameFromText(name) as WireName
  const updates: Update[] = []
  if (marker.length > 0) updates.push(deleteRrset(nameFromText(markerNameOf(name)) as WireName, Type.TXT))
  if (addresses.length > 0) updates.push(deleteRrset(owner, Type.A))
  if (alias !== null) updates.push(deleteRrset(owner, Type.CNAME))
  return updates
}

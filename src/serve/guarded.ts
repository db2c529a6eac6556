/** Which names are guarded: those with a valid marker beside them (`model/marker.ts`). */
import type { WireName } from '../dns/name.ts'
import { txtStrings } from '../dns/rdata.ts'
import { Type } from '../dns/types.ts'
import { type Marker, parseMarker } from '../model/marker.ts'
import type { Names, Node } from './zone.ts'

/** The first label of a marker's name, as on the wire. */
const markerLabel = '\x09_holdfast'

/** Where the marker of a name stands. Both in lower case. */
export const markerKeyOf = (key: WireName): WireName => (markerLabel + key) as WireName

/** The endpoint a marker's name speaks for, or undefined for any other name. Both in lower case. */
export function endpointKeyOf(key: WireName): WireName | undefined {
  return key.startsWith(markerLabel) ? (key.slice(markerLabel.length) as WireName) : undefined
}

/** The marker in a marker's node: one TXT record that can be read. Two of them are damage, as nobody knows which counts. */
export function markerIn(node: Node | undefined): Marker | undefined {
  const txt = node?.get(Type.TXT)
  if (txt === undefined || txt.datas.length !== 1) return undefined
  const strings = txtStrings(txt.datas[0] as Uint8Array)
  return strings && parseMarker(strings)
}

/** The valid marker of a name in its own zone, or undefined: the name is not guarded. */
export const markerOf = (zone: Names, key: WireName): Marker | undefined => markerIn(zone.get(markerKeyOf(key)))

/** Copies of zones, made and put back: what a server does that lost its disk and gets an older one. */
import type { Name } from '../src/model/name.ts'
import type { Region } from './region.ts'
import { type Authority, nothing, type Standing } from './sim/authority.ts'

export type ZoneCopy = ReadonlyMap<Name, Standing>

const authorityAt = ({ authorities }: Region, zone: number): Authority =>
  authorities[zone % authorities.length] as Authority

export function copyZone(region: Region, zone: number): ZoneCopy {
  const authority = authorityAt(region, zone)
  return new Map([...authority.names()].map((name) => [name, authority.at(name)]))
}

export function putBackZone(region: Region, zone: number, copy: ZoneCopy | undefined): void {
  if (copy === undefined) return
  const authority = authorityAt(region, zone)
  for (const name of [...authority.names()]) authority.tamper(name, copy.get(name) ?? nothing)
}

/** A provider that takes what was written for what stands there, until something else is written. */
import { publishedAs } from '../../src/enact/fence.ts'
import type { Name } from '../../src/model/name.ts'
import type { Change, Provider, Published, Reading, WriteOutcome } from '../../src/providers/provider.ts'

export function believing(provider: Provider, believes: (outcome: WriteOutcome) => boolean): Provider {
  const believed = new Map<Name, Published>()
  return {
    guarantee: provider.guarantee,
    async read(zone, names) {
      const unknown = names.filter((name) => !believed.has(name))
      const readings = unknown.length === 0 ? [] : await provider.read(zone, unknown)
      const found = new Map(unknown.map((name, index) => [name, readings[index] as Reading]))
      return names.map((name): Reading => {
        const published = believed.get(name)
        return published === undefined ? (found.get(name) as Reading) : { kind: 'published', published }
      })
    },
    async write(zone, changes) {
      const outcomes = await provider.write(zone, changes)
      for (const [index, change] of changes.entries()) {
        if (believes(outcomes[index] as WriteOutcome)) believed.set(change.name, asWritten(change))
        else believed.delete(change.name)
      }
      return outcomes
    },
  }
}

function asWritten({ name, answer, marker }: Change): Published {
  return publishedAs({ name, since: marker.generation, born: marker.generation, answer }, marker.owner)
}

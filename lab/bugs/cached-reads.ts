import type { Name } from '../../src/model/name.ts'
import type { Reading } from '../../src/providers/provider.ts'
import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

export const cachedReads: Bug = {
  name: 'cached-reads',
  what: 'what was read of a name is not read again until it is written',
  violates: 'L1',
  plant(region) {
    substitute(region, {
      provider(provider) {
        const kept = new Map<Name, Reading>()
        return {
          guarantee: provider.guarantee,
          async read(zone, names) {
            const unknown = names.filter((name) => !kept.has(name))
            const readings = unknown.length === 0 ? [] : await provider.read(zone, unknown)
            for (const reading of readings) if (reading.kind === 'published') kept.set(reading.published.name, reading)
            const found = new Map(unknown.map((name, index) => [name, readings[index] as Reading]))
            return names.map((name) => found.get(name) ?? (kept.get(name) as Reading))
          },
          async write(zone, changes) {
            for (const { name } of changes) kept.delete(name)
            return await provider.write(zone, changes)
          },
        }
      },
    })
  },
}

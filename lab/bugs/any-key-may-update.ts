import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

export const anyKeyMayUpdate: Bug = {
  name: 'any-key-may-update',
  what: 'a server takes updates with any key that it knows, whatever that is for',
  violates: 'S3',
  authority: 'server',
  tempt: (story) =>
    tempted(story, {}, [
      ...every(2_000, 3_000, 60_000, { kind: 'intruder', zone: 0, name: 1, how: 'other-key' }),
      ...every(2_000, 3_100, 60_000, { kind: 'intruder', zone: 0, name: 2, how: 'forged' }),
      ...every(2_000, 3_200, 60_000, { kind: 'intruder', zone: 0, name: 3, how: 'unsigned' }),
    ]),
  plant(region) {
    for (const server of region.servers)
      server.substitutes = {
        context: (context) => {
          const everybody = new Set(context.keys.keys())
          return { ...context, allowed: new Map([...context.allowed.keys()].map((apex) => [apex, everybody])) }
        },
      }
  },
}

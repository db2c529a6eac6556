import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

export const answersKept: Bug = {
  name: 'answers-kept',
  what: 'a server keeps its answers, and gives them again when the records are others',
  violates: 'S3',
  authority: 'server',
  tempt: (story) => tempted(story, {}, every(1_500, 2_500, 60_000, { kind: 'hand', name: 0, what: 'edit' })),
  plant(region) {
    for (const server of region.servers) {
      const kept = new Map<string, Uint8Array>()
      server.substitutes = {
        reply(question, reply) {
          const key = question.subarray(12).join()
          const old = kept.get(key)
          if (old === undefined) kept.set(key, reply.slice())
          return old === undefined ? reply : Uint8Array.from([...question.subarray(0, 2), ...old.subarray(2)])
        },
      }
    }
  },
}

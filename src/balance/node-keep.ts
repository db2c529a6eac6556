/** Files that are replaced whole: whoever reads one finds the old or the new, never half of it. */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Keep } from './balancer.ts'

/** `mode`: who may read it. What is unchanged is not written again. */
export function fileKeep(path: string, mode: number): Keep {
  let last: Uint8Array | undefined
  return {
    async read() {
      try {
        return await readFile(path)
      } catch {
        return undefined
      }
    },
    async write(bytes) {
      if (last !== undefined && Buffer.compare(last, bytes) === 0) return undefined
      const beside = `${path}.new`
      try {
        await mkdir(dirname(path), { recursive: true })
        const file = await open(beside, 'w', mode)
        try {
          await file.writeFile(bytes)
          await file.sync()
        } finally {
          await file.close()
        }
        await rename(beside, path)
        last = bytes
        return undefined
      } catch (error) {
        last = undefined
        return (error as Error).message
      }
    },
  }
}

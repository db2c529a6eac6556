/** Whether the disk under a store takes writes: asked before LMDB finds out, and by who only looks. */
import { accessSync, constants, statfsSync } from 'node:fs'
import { type Problem, problem } from '../base/problem.ts'

export const fullDisk = { found: 'no space left on the disk', todo: 'make room on the disk' } as const
export const readOnlyDisk = {
  found: 'a file system mounted read-only',
  todo: 'mount it writable, or use another path',
} as const

/** What a disk must have left for a commit, besides the values: for the pages of the trees above them. */
const leastFree = 256 * 1024

/** @throws the operating system's error */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Is there room for so many bytes of values? @throws the operating system's error */
export const hasRoom = (path: string, bytes: number): boolean => freeBytes(path) >= leastFree + bytes

/** Why no program can write to the store at `path`, whoever it runs as; undefined where nothing is known to stand in the way. */
export function writeObstacle(path: string): Problem | undefined {
  const refused = ({ found, todo }: { readonly found: string; readonly todo: string }) =>
    problem(`store ${path}`, 'a disk that takes writes', found, todo)
  try {
    accessSync(path, constants.W_OK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return refused(readOnlyDisk)
  }
  try {
    return hasRoom(path, 0) ? undefined : refused(fullDisk)
  } catch {
    return undefined
  }
}

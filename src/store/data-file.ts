/**
 * Looks at the data file before LMDB does. LMDB maps it into memory and trusts it, so a file that is
 * not LMDB's, or is cut short, would end the process instead of telling.
 */
import { accessSync, closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

export const dataFile = (directory: string): string => join(directory, 'data.mdb')
const lockFile = (directory: string) => join(directory, 'lock.mdb')

const magic = 0xbeefc0de
const formatVersion = 2
const metaPageFlag = 8
const noPage = 2n ** 64n - 1n
/** The part of a root page that is read here: page header (24 bytes) and what LMDB calls meta (144). */
const rootPageBytes = 168

/** The fields of one of LMDB's two root pages, or undefined when it is none. */
function rootPage(fd: number, at: number) {
  const page = Buffer.alloc(rootPageBytes)
  if (readSync(fd, page, 0, rootPageBytes, at) < rootPageBytes) return undefined
  if ((page.readUInt16LE(18) & metaPageFlag) === 0 || page.readUInt32LE(24) !== magic) return undefined
  return {
    version: page.readUInt32LE(28) & 0xffff,
    pageBytes: page.readUInt32LE(48),
    roots: [page.readBigUInt64LE(88), page.readBigUInt64LE(136)],
    transaction: page.readBigUInt64LE(152),
  }
}

export type Soundness = 'absent' | 'sound' | 'foreign' | 'other format' | 'cut short'

/** What can be told from the root pages and the length. An empty file counts as absent: its creation was interrupted. */
export function inspectDataFile(directory: string): Soundness {
  let fd: number
  try {
    fd = openSync(dataFile(directory), 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent'
    throw error
  }
  try {
    if (fstatSync(fd).size === 0) return 'absent'
    const first = rootPage(fd, 0)
    const second = first && rootPage(fd, first.pageBytes)
    if (first === undefined || second === undefined) return 'foreign'
    if (first.version !== formatVersion || second.version !== formatVersion) return 'other format'
    const newest = first.transaction > second.transaction ? first : second
    // The length is taken after the pages, because a commit writes in the other order. The end of a sound file
    // may be missing, where there are only free pages; its trees may not.
    const pages = BigInt(Math.floor(fstatSync(fd).size / first.pageBytes))
    return newest.roots.every((root) => root === noPage || root < pages) ? 'sound' : 'cut short'
  } finally {
    closeSync(fd)
  }
}

/** The path itself, or the nearest directory above it that exists. */
export function nearestExisting(path: string): string {
  const parent = dirname(resolve(path))
  return existsSync(path) || parent === path ? path : nearestExisting(parent)
}

/** @throws the operating system's error when the store cannot be written there, because LMDB's own answer may be a crash. */
export function assertWritable(directory: string): void {
  for (const path of [directory, dataFile(directory), lockFile(directory)]) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/** Files as the configuration reads them: whole, of bounded size, and with the reason where that fails. */
import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs'

export interface FileText {
  readonly kind: 'file'
  readonly text: string
  readonly stamp: Stamp
}

/** Equal stamps: nobody wrote the file in between, as far as the file system tells. */
export interface Stamp {
  readonly inode: number
  readonly size: number
  /** Milliseconds since 1970, with a fraction. */
  readonly modified: number
  readonly mode: number
}

export interface FileTrouble {
  readonly kind: 'trouble'
  readonly expected: string
  readonly found: string
  readonly todo: string
  /** From 1: of the first line that is not text, else 1. */
  readonly line: number
  /** There is no such file. */
  readonly missing: boolean
}

export function readTextFile(path: string, bytesAtMost: number): FileText | FileTrouble {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    return openTrouble(error)
  }
  try {
    const before = fstatSync(descriptor)
    if (before.isDirectory()) return trouble('a file', 'a folder', 'name the file in it')
    if (!before.isFile()) return trouble('a file', 'something else', 'name a plain file')
    if (before.size > bytesAtMost)
      return trouble(
        `at most ${sizeText(bytesAtMost)}`,
        sizeText(before.size),
        'name another file, or make this one smaller',
      )
    const bytes = readWhole(descriptor, before.size)
    const after = fstatSync(descriptor)
    if (bytes.length !== before.size || after.size !== before.size || after.mtimeMs !== before.mtimeMs)
      return trouble('a file that nobody writes meanwhile', 'one that changed while it was read', 'try again')
    if (!isUtf8(bytes))
      return {
        ...trouble('text in UTF-8', 'other bytes', 'save the file as UTF-8'),
        line: firstLineOfOtherBytes(bytes),
      }
    return { kind: 'file', text: bytes.toString('utf8'), stamp: stampOf(before) }
  } catch (error) {
    return openTrouble(error)
  } finally {
    closeSync(descriptor)
  }
}

export function stampOf({ ino, size, mtimeMs, mode }: Stats): Stamp {
  return { inode: ino, size, modified: mtimeMs, mode }
}

export function sameStamp(a: Stamp, b: Stamp): boolean {
  return a.inode === b.inode && a.size === b.size && a.modified === b.modified
}

function readWhole(descriptor: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let length = 0
  while (length < size) {
    const read = readSync(descriptor, bytes, length, size - length, null)
    if (read === 0) break
    length += read
  }
  return bytes.subarray(0, length)
}

function trouble(expected: string, found: string, todo: string): FileTrouble {
  return { kind: 'trouble', expected, found, todo, line: 1, missing: false }
}

function openTrouble(error: unknown): FileTrouble {
  const code = (error as NodeJS.ErrnoException).code ?? 'an unknown error'
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return { ...trouble('a file', 'none of that name', 'name a file that exists'), missing: true }
  if (code === 'EACCES' || code === 'EPERM')
    return trouble('a file that this user may read', `${code}: permission denied`, 'change its permissions or owner')
  if (code === 'EISDIR') return trouble('a file', 'a folder', 'name the file in it')
  return trouble('a file that can be read', code, 'see whether the disk and the path are in order')
}

function firstLineOfOtherBytes(bytes: Buffer): number {
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    if (!isUtf8(bytes.subarray(start, end))) return line
    start = end + 1
  }
  return line
}

function sizeText(bytes: number): string {
  return bytes >= 1_048_576 ? `${Math.ceil(bytes / 1_048_576)} MiB` : `${bytes} bytes`
}

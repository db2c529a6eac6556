/** Follows a log file that another process writes: lines added from now on. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'

const everyMs = 300
const bytesAtOnce = 64 * 1024

/** Calls `line` for each whole line. Goes on with a new file when the old one was put aside. Returns how to stop. */
export function followFile(path: string, line: (text: string) => void): () => void {
  let at = sizeOf(path)
  let inode = 0
  let rest = ''
  const look = () => {
    let file: number
    try {
      file = openSync(path, 'r')
    } catch {
      return
    }
    try {
      const { size, ino } = fstatSync(file)
      if ((inode !== 0 && ino !== inode) || size < at) {
        at = 0
        rest = ''
      }
      inode = ino
      // A file that grew beyond what is worth reading is taken up near its end.
      if (size - at > bytesAtOnce * 16) at = size - bytesAtOnce
      const buffer = Buffer.alloc(bytesAtOnce)
      for (
        let read = readSync(file, buffer, 0, bytesAtOnce, at);
        read > 0;
        read = readSync(file, buffer, 0, bytesAtOnce, at)
      ) {
        at += read
        const lines = (rest + buffer.toString('utf8', 0, read)).split('\n')
        rest = (lines.pop() ?? '').slice(0, 10_000)
        for (const text of lines) if (text !== '') line(text.slice(0, 10_000))
      }
    } finally {
      closeSync(file)
    }
  }
  const timer = setInterval(look, everyMs)
  return () => {
    clearInterval(timer)
    look()
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch {
    return 0
  }
}

/**
 * One server for one directory. The lock is a listening socket, so it ends with its process, however that ends: on Linux
 * a socket without a file, named after the directory's inode; elsewhere a file in the directory, which a dead server
 * leaves behind and which is told from a live one by calling it.
 *
 * Where the lock does not reach (two containers that share a directory), the session in the copy does (`copy.ts`).
 */
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type Problem, problem } from '../base/problem.ts'

export async function lockDirectory(dir: string): Promise<Server | Problem> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (error) {
    return problem(
      `server directory ${dir}`,
      'a directory',
      (error as Error).message,
      'correct the path or its permissions',
    )
  }
  const { dev, ino } = statSync(dir)
  const abstract = process.platform === 'linux'
  const path = abstract ? `\0holdfast-server-${dev}-${ino}` : join(dir, 'lock')
  const taken = problem(
    `server directory ${dir}`,
    'no other server on it',
    'one that is running',
    'stop it, or give this one another "state"',
  )
  for (let attempt = 0; attempt < 2; attempt++) {
    const lock = await listen(path)
    if (typeof lock !== 'string') return lock
    if (lock !== 'EADDRINUSE') return { ...taken, found: lock, todo: 'correct the path or its permissions' }
    if (abstract || (await answers(path))) return taken
    rmSync(path, { force: true })
  }
  return taken
}

function listen(path: string): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ path }, () => resolve(server.unref()))
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

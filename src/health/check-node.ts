/**
 * All kinds of checks, made by this machine: those of the World, and TLS, HTTPS, gRPC and programs. As
 * there, each has a connection of its own: a handshake that was made an hour ago says nothing of now.
 */
import { createServer } from 'node:net'
import type { Probed } from '../model/check.ts'
import type { ReadSecret } from '../model/secret.ts'
import type { Address, World } from '../world/world.ts'
import { commandRunner } from './check-command.ts'
import { tlsAsker } from './check-tls.ts'
import { worldChecker } from './check-world.ts'
import { type Checker, couldNotLook, type Look } from './checker.ts'

export interface NodeCheckerOptions {
  readonly secret: ReadSecret
  /** Where relative files of the configuration start, and where commands run. */
  readonly dir: string
  /** For the environment of commands: only what finds programs is passed on, never a secret. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly canaries: readonly Address[]
}

export function nodeChecker(
  world: Pick<World, 'net' | 'clock' | 'random'>,
  { secret, dir, env, canaries }: NodeCheckerOptions,
): Checker {
  const simple = worldChecker(world, { secret, canaries })
  const secure = tlsAsker(world.clock, secret, dir)
  const run = commandRunner(dir, env)
  const own = ownListener()
  return {
    check(check: Probed, subject, timeoutMs): Promise<Look> {
      if (check.kind === 'command') return run(check, subject, timeoutMs)
      const { address } = subject
      if (check.kind === 'tls') return secure.handshake(check, address, timeoutMs)
      if (check.kind === 'grpc') return secure.grpc(check, address, timeoutMs)
      if (check.kind === 'http' && check.tls !== undefined)
        return secure.https({ ...check, tls: check.tls }, check, address, timeoutMs)
      return simple.check(check, subject, timeoutMs)
    },
    async canary(timeoutMs) {
      const at = await own
      if (typeof at === 'string') return couldNotLook(`no socket can be opened here: ${at}`)
      const connected = await world.net.connect(at, timeoutMs)
      if (connected.kind === 'failure')
        return couldNotLook(`this program cannot reach itself: ${connected.reason}: ${connected.detail}`)
      connected.connection.close()
      return await simple.canary(timeoutMs)
    },
  }
}

/** A listener of this program itself: who cannot reach that has no sockets, or stands still. */
function ownListener(): Promise<Address | string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end()
      socket.resume()
    })
    server.on('error', (error) => resolve(error.message))
    server.listen(0, '127.0.0.1', () => {
      server.unref()
      const address = server.address()
      resolve(
        typeof address === 'object' && address !== null ? { host: '127.0.0.1', port: address.port } : 'no address',
      )
    })
  })
}

/** Wires a lease manager: its front door, and what has to be done for each host. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from '../base/problem.ts'
import type { Config } from '../config/config.ts'
import { readTextFile } from '../config/files.ts'
import type { LeasesConfig, WorkConfig } from '../config/leases.ts'
import { textSecrets } from '../config/text-secrets.ts'
import { openFrontDoor } from '../leases/front-door.ts'
import { usualDelayMs } from '../leases/guard.ts'
import { httpWork } from '../leases/http-work.ts'
import { leaseManager } from '../leases/manager.ts'
import { postgresWork } from '../leases/postgres.ts'
import { storeWork } from '../leases/store-work.ts'
import type { Work } from '../leases/work.ts'
import type { ReadSecret } from '../model/secret.ts'
import type { Store } from '../store/store.ts'
import type { Address, World } from '../world/world.ts'
import type { Cli } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'

/** Commits of the store that run at once: beyond that they wait for each other anyway. */
const storeAtOnce = 256

/** Runs until the process ends; the problem is why it cannot. */
export async function playLeases(
  world: World,
  config: Config,
  cli: Cli,
  ports: {
    readonly store: Store
    readonly listen: Address | null
    readonly self: { readonly pid: number; readonly http: string | null }
  },
): Promise<Problem> {
  const section = leasesIn(config)
  const { store, self } = ports
  const secret = textSecrets(config.dir, cli.io.env, world.clock.now)
  const address = ports.listen ?? (section.listen[0] as Address)
  return await leaseManager(world, {
    store,
    self,
    settings: {
      hostsMax: section.hostsMax,
      shards: section.shards,
      shardLeaseMs: section.takeOverMs,
      ttlMs: section.ttlMs,
      graceMs: section.graceMs,
      renewals: section.renewals,
      frontDoorPerSecond: section.frontDoorPerSecond,
      timeoutMs: section.dependency.timeoutMs,
      downstreamTimeoutMs: section.downstream?.timeoutMs ?? section.dependency.timeoutMs,
    },
    work: workOf(section.dependency, world, store, secret),
    downstream: section.downstream === null ? null : workOf(section.downstream, world, store, secret),
    isListed: section.hosts === null ? () => true : listIn(resolve(config.dir, section.hosts), world),
    open: (desk) =>
      openFrontDoor(
        {
          address,
          token: section.token,
          secret,
          invitesDrills: section.invitesDrills,
          guarding: { delayMs: usualDelayMs, sockets: section.sockets },
          now: world.clock.now,
          wall: world.clock.wall,
        },
        desk,
      ),
  })
}

/** @throws CliFailure */
export function leasesIn({ leases, path }: Pick<Config, 'leases' | 'path'>): LeasesConfig {
  return (
    leases ??
    fail(
      exit.config,
      path,
      'a section leases',
      'none',
      'write leases: { token: …, dependency: … }, as docs/leases.md shows',
    )
  )
}

function workOf(work: WorkConfig, world: World, store: Store, secret: ReadSecret): Work {
  if (work.kind === 'store') return storeWork(world, store, storeAtOnce)
  if (work.kind === 'http') {
    const { url, bearer, connections } = work
    return httpWork({ url, connections, bearer: bearer === null ? null : () => secret(bearer) })
  }
  const { url, ...rest } = work
  return postgresWork({ ...rest, url: () => secret(url), now: world.clock.now })
}

const listBytesAtMost = 512 * 1024 * 1024
/** The list is looked at again after this long. */
const listKeptMs = 5_000

/** One id a line; lines that begin with # count for nothing. A list that cannot be read is as it was before. */
function listIn(path: string, world: World): (id: string) => boolean {
  let ids: ReadonlySet<string> = new Set()
  let readAt = Number.NEGATIVE_INFINITY
  let modified: number | undefined
  return (id) => {
    const now = world.clock.now()
    if (now - readAt >= listKeptMs) {
      readAt = now
      const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs
      if (written !== modified) {
        const reading = readTextFile(path, listBytesAtMost)
        if (reading.kind === 'file') {
          modified = reading.stamp.modified
          ids = new Set(
            reading.text
              .split('\n')
              .map((line) => line.trim())
              .filter((line) => line !== '' && !line.startsWith('#')),
          )
        }
      }
    }
    return ids.has(id)
  }
}

/** Wires the balancer to this machine: HAProxy's runtime socket, and two files. */
import { join } from 'node:path'
import { balancer } from '../balance/balancer.ts'
import { fileKeep } from '../balance/node-keep.ts'
import { nodeRuntimeSocket } from '../balance/node-socket.ts'
import type { Config } from '../config/config.ts'
import type { PolicySource } from '../model/policy.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'

/** Never returns. A configuration without HAProxy: @throws CliFailure */
export async function playBalancer(
  world: World,
  config: Config,
  ports: {
    readonly store: Store
    readonly policy: PolicySource
    readonly self: { readonly pid: number; readonly http: string | null }
  },
): Promise<never> {
  return await balancer(world, {
    ...ports,
    haproxy: haproxyIn(config),
    socket: nodeRuntimeSocket,
    memory: fileKeep(join(config.state, 'balancer', `${world.id}.json`), 0o600),
    // HAProxy may read it as another user.
    stateFile: config.haproxy?.stateFile == null ? null : fileKeep(config.haproxy.stateFile, 0o644),
  })
}

/** @throws CliFailure */
export function haproxyIn({ haproxy, path }: Pick<Config, 'haproxy' | 'path'>): NonNullable<Config['haproxy']> {
  return (
    haproxy ??
    fail(
      exit.config,
      path,
      'a section haproxy',
      'none',
      'write haproxy: { socket: …, pools: … }, as docs/haproxy.md shows',
    )
  )
}

/** Wires the intake: what agents post, and what Prometheus says of demand. */
import { type Problem, problem } from '../base/problem.ts'
import type { Config } from '../config/config.ts'
import { wantsIntake } from '../config/intake.ts'
import { textSecrets } from '../config/text-secrets.ts'
import { askPrometheus } from '../intake/ask-node.ts'
import { serveIntake } from '../intake/http.ts'
import { intake } from '../intake/intake.ts'
import type { PolicySource } from '../model/policy.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import type { Cli } from './cli.ts'

/** Undefined where there is something for it to do. */
export const nothingToTakeIn = (config: Config): Problem | undefined =>
  wantsIntake(config)
    ? undefined
    : problem(
        config.path,
        'an intake section, or a pool with demand: { prometheus: … }',
        'neither',
        'add what it is to do, or do not run it',
      )

/** Runs until the process ends; the problem is why it cannot. */
export async function playIntake(
  world: World,
  config: Config,
  cli: Cli,
  ports: {
    readonly store: Store
    readonly policy: PolicySource
    readonly self: { readonly pid: number; readonly http: string | null }
  },
): Promise<Problem> {
  const { intake: section } = config
  return await intake(world, {
    ...ports,
    secret: textSecrets(config.dir, cli.io.env, world.clock.now),
    ask: askPrometheus(world, config.dir),
    agents: section,
    serve: (desk) => serveIntake(section?.listen ?? { host: '127.0.0.1', port: 0 }, desk),
  })
}

/** `holdfast run ROLE`: one program, in the foreground, until it is killed. What `up` starts, and what a service manager does. */
import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import { describeProblem } from '../base/problem.ts'
import { readAddress } from '../config/units.ts'
import type { Level } from '../telemetry/level.ts'
import { openLog } from '../telemetry/log.ts'
import type { Address } from '../world/world.ts'
import { type Cli, configPath, newCommand } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure } from './io.ts'
import { followParent, type RunOptions, tellParent } from './parent.ts'
import type { StoreRole } from './run-store-role.ts'

const roles = ['planner', 'enactor', 'prober', 'balancer', 'intake', 'leases', 'server'] as const

export function runCommand(cli: Cli): Command {
  return newCommand('run', 'Run one program in the foreground, for service managers; logs JSON to standard error.', [
    ['holdfast run server', 'the DNS server: needs no store and no other program'],
    ['holdfast run prober --id prober-south --site south', 'one of several, each in a site of its own'],
    ['holdfast run intake', 'takes what agents post, asks Prometheus for demand'],
    ['holdfast run leases --id leases-2 --listen 127.0.0.1:9661', 'one of several lease managers'],
    ['holdfast run enactor --id enactor-b --http 127.0.0.1:9611', 'one of several; the id is unique and stays'],
  ])
    .addArgument(new Argument('<role>', 'which program').choices(roles))
    .option('--id <id>', 'its name, unique in the deployment and the same after a restart', idArgument)
    .addOption(
      new Option('--http <address>', 'where to serve /metrics, /healthz, /readyz (port 0: any)').argParser(
        addressArgument,
      ),
    )
    .addOption(
      new Option(
        '--listen <address>',
        'leases: where hosts report to this manager (default: the first leases.listen of the configuration)',
      ).argParser(addressArgument),
    )
    .option(
      '--site <site>',
      'prober: the site that it looks from (default: prober.site of the configuration)',
      idArgument,
    )
    .addOption(
      new Option('--log <level>', 'the least important events that are logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info')
        .env('HOLDFAST_LOG'),
    )
    .option(
      '--last-good <file>',
      'keep a copy of the configuration there, and start with it when the present one cannot be used',
    )
    .action(
      async (role: (typeof roles)[number], options: Partial<RunOptions> & { readonly log: Level }, self: Command) => {
        const id = options.id ?? (role === 'server' ? role : `${role}-1`)
        const path = configPath(cli, self)
        const run: RunOptions = {
          id,
          http: options.http ?? null,
          log: options.log,
          lastGood: options.lastGood ?? null,
          site: options.site ?? null,
          listen: options.listen ?? null,
        }
        followParent(role)
        try {
          // Loaded only here: the other commands need not wait for the code of every role.
          if (role === 'server') await (await import('./run-server.ts')).runServer(cli, path, run)
          else await (await import('./run-store-role.ts')).runStoreRole(cli, path, role satisfies StoreRole, run)
        } catch (error) {
          if (error instanceof CliFailure) for (const problem of error.problems) tellParent({ problem })
          const log = openLog(id, 'error')
          const reason =
            error instanceof CliFailure
              ? error.problems.map(describeProblem).join('; ')
              : error instanceof Error
                ? (error.stack ?? error.message)
                : String(error)
          log.event({ event: 'program.failed', reason })
          // The log has said it; a role may hold sockets and timers that would keep the process.
          process.exit(error instanceof CliFailure ? error.exit : exit.bug)
        }
      },
    )
}

function idArgument(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text))
    throw new InvalidArgumentError('expected 1 to 63 letters, digits, "-", "_" and ".".')
  return text
}

function addressArgument(text: string): Address {
  // Port 0, for any free port, has no place in a configuration and so none in readAddress.
  const anyPort = text.endsWith(':0')
  const reading = readAddress(anyPort ? `${text.slice(0, -1)}1` : text)
  if (reading.kind !== 'address')
    throw new InvalidArgumentError('expected an IP address and a port, such as 127.0.0.1:9611.')
  return anyPort ? { host: reading.address.host, port: 0 } : reading.address
}

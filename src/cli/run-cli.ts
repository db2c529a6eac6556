/** All commands put together; one command line in, one exit code out. */
import { Command, CommanderError } from 'commander'
import { StoreOutage } from '../store/store.ts'
import type { Cli } from './cli.ts'
import { configCommand } from './config.ts'
import { doctorCommand } from './doctor.ts'
import { drainCommand, undrainCommand } from './drain.ts'
import { drillCommand } from './drill.ts'
import { evacuateCommand, maintenanceCommand, restoreCommand } from './evacuate.ts'
import { type ExitCode, exit, exitMeanings } from './exit.ts'
import { fleetCommand } from './fleet.ts'
import { freezeCommand, thawCommand } from './freeze.ts'
import { haproxyCommand } from './haproxy.ts'
import { historyCommand } from './history.ts'
import { initCommand } from './init.ts'
import { CliFailure, type Io, painter, problemText } from './io.ts'
import { labCommand } from './lab.ts'
import { pinCommand, unpinCommand } from './pin.ts'
import { planCommand } from './plan.ts'
import { poolCommand } from './pool.ts'
import { retireCommand } from './retire.ts'
import { rollbackCommand } from './rollback.ts'
import { runCommand } from './run.ts'
import { showCommand } from './show.ts'
import { statusCommand } from './status.ts'
import { upCommand } from './up.ts'
import { version } from './version.ts'
import { whyCommand } from './why.ts'

export function programOf(cli: Cli): Command {
  const paint = painter(cli.io.outIsTty, cli.io.env)
  const program = new Command('holdfast')
    .description('Keeps the names that services are reached by alive.')
    .version(version, '-V, --version', 'print the version')
    .option('-c, --config <file>', 'the configuration (default: $HOLDFAST_CONFIG, or ./holdfast.yaml)')
    .option('--json', 'print JSON for scripts, also for errors')
    .helpCommand(false)
    .addHelpText(
      'after',
      `\nExit codes:\n${Object.entries(exitMeanings)
        .map(([code, meaning]) => `  ${code.padStart(2)}  ${meaning}`)
        .join('\n')}\n\nholdfast COMMAND --help shows examples.`,
    )
  const groups: readonly (readonly [title: string, commands: readonly Command[]])[] = [
    [
      'Run:',
      [upCommand(cli), runCommand(cli), initCommand(cli), configCommand(cli), haproxyCommand(cli), doctorCommand(cli)],
    ],
    [
      'Look:',
      [
        statusCommand(cli),
        whyCommand(cli),
        poolCommand(cli),
        planCommand(cli),
        historyCommand(cli),
        showCommand(cli),
        fleetCommand(cli),
      ],
    ],
    [
      'Instruct:',
      [
        drainCommand(cli),
        undrainCommand(cli),
        evacuateCommand(cli),
        restoreCommand(cli),
        maintenanceCommand(cli),
        pinCommand(cli),
        unpinCommand(cli),
        freezeCommand(cli),
        thawCommand(cli),
        rollbackCommand(cli),
        retireCommand(cli),
      ],
    ],
    ['Test:', [drillCommand(cli), labCommand(cli)]],
  ]
  for (const [title, commands] of groups) {
    program.commandsGroup(title)
    for (const command of commands) program.addCommand(command)
  }
  settle(program, cli, (text) => paint('bold', text))
  return program
}

/** What holds for the program and every command: errors are thrown, output goes where `Io` says, help shows global options. */
function settle(command: Command, cli: Cli, title: (text: string) => string): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: cli.io.out,
      // Errors of usage are printed once, by runCli, as text or as JSON.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(100, Math.max(60, cli.io.columns())),
      getOutHasColors: () => cli.io.outIsTty,
    })
    .configureHelp({ showGlobalOptions: true, styleTitle: title })
  for (const child of command.commands) settle(child, cli, title)
}

export async function runCli(args: readonly string[], io: Io): Promise<ExitCode> {
  const cli: Cli = { io, exitCode: exit.ok }
  const program = programOf(cli)
  try {
    if (args.length === 0) {
      io.err(`${program.helpInformation()}\n`)
      return exit.usage
    }
    await program.parseAsync([...args], { from: 'user' })
    return cli.exitCode
  } catch (error) {
    return report(error, args.includes('--json'), io)
  }
}

function report(error: unknown, json: boolean, io: Io): ExitCode {
  const paint = painter(io.errIsTty, io.env)
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exit.ok
    const message = error.message.replace(/^error: /, '')
    io.err(
      json
        ? `${JSON.stringify({ exit: exit.usage, problems: [{ at: 'command line', expected: 'a command as its help says', found: message, todo: 'holdfast --help' }] }, null, 2)}\n`
        : `${paint(['red', 'bold'], 'error')} ${message}\n`,
    )
    return exit.usage
  }
  const failure = error instanceof StoreOutage ? new CliFailure(exit.unreachable, [error.problem]) : error
  if (failure instanceof CliFailure) {
    io.err(
      json
        ? `${JSON.stringify({ exit: failure.exit, problems: failure.problems }, null, 2)}\n`
        : `${failure.problems.map((one) => problemText(one, paint)).join('\n')}\n`,
    )
    return failure.exit
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  io.err(
    json
      ? `${JSON.stringify({ exit: exit.bug, problems: [{ at: 'holdfast', expected: 'no bug', found: detail, todo: 'please report it' }] }, null, 2)}\n`
      : `${paint(['red', 'bold'], 'bug in Holdfast')}; please report it\n${detail}\n`,
  )
  return exit.bug
}

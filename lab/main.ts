/** `holdfast lab`: the laboratory. `src/cli/lab.ts` hands it the rest of the command line by a dynamic import. */
import { Command } from 'commander'
import type { Cli } from '../src/cli/cli.ts'
import { usage } from '../src/cli/io.ts'
import { commands } from './commands.ts'

export const summary = 'The laboratory: the production programs in a deterministic simulator.'

export function labProgram(cli: Cli): Command {
  const program = new Command('holdfast lab')
    .description(summary)
    .option('--json', 'print JSON for scripts, also for errors')
    .helpCommand(false)
    .addHelpText('after', '\nholdfast lab COMMAND --help shows examples.')
  for (const command of commands) program.addCommand(command(cli))
  settle(program, cli)
  return program
}

/** As for the other commands: errors are thrown, and output goes where `Io` says. */
function settle(command: Command, cli: Cli): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: cli.io.out,
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(100, Math.max(60, cli.io.columns())),
      getOutHasColors: () => cli.io.outIsTty,
    })
    .configureHelp({ showGlobalOptions: true })
  for (const child of command.commands) settle(child, cli)
}

/** `args`: what follows `lab` on the command line. @throws CommanderError, CliFailure */
export async function runLab(args: readonly string[], cli: Cli): Promise<void> {
  const program = labProgram(cli)
  if (args.length === 0) {
    program.outputHelp()
    return
  }
  const [name = ''] = args
  const names = program.commands.map((command) => command.name())
  if (!name.startsWith('-') && !names.includes(name))
    usage('holdfast lab', names.join(', '), `"${name}"`, 'holdfast lab --help says what each does')
  await program.parseAsync([...args], { from: 'user' })
}

/** `holdfast lab`: hands over to the laboratory, which comes with the repository and not with the package. */
import { Command } from 'commander'
import type { Cli, GlobalOptions } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'

/** Computed, so that the package is built without it. */
const path = ['..', '..', 'lab', 'main.ts'].join('/')

interface Laboratory {
  runLab(args: readonly string[], cli: Cli): Promise<void>
}

export function labCommand(cli: Cli): Command {
  return new Command('lab')
    .description('The laboratory: the production programs in a deterministic simulator.')
    .usage('[soak | replay | bugs | explore] ...')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      const json = command.optsWithGlobals<GlobalOptions>().json === true
      await (await laboratory()).runLab([...command.args, ...(json ? ['--json'] : [])], cli)
    })
}

async function laboratory(): Promise<Laboratory> {
  try {
    return (await import(path)) as Laboratory
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    return fail(
      exit.failed,
      'holdfast lab',
      'the laboratory beside the program',
      'a package without it',
      'run it in the repository: npm run holdfast -- lab',
    )
  }
}

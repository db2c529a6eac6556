/** Every command of `holdfast lab`. A new one is imported here and added to the list. */
import type { Command } from 'commander'
import type { Cli } from '../src/cli/cli.ts'
import { bugsCommand } from './commands/bugs.ts'
import { soakCommand } from './commands/soak.ts'
import { exploreCommand } from './explore/command.ts'
import { replayCommand } from './replay.ts'

/** Made with `newCommand` of `src/cli/cli.ts`, which asks for a summary and examples; failures are `fail(...)` of `src/cli/io.ts`. */
export type LabCommand = (cli: Cli) => Command

export const commands: readonly LabCommand[] = [soakCommand, replayCommand, exploreCommand, bugsCommand]

/** `holdfast config check` and `config schema`. */
import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { jsonSchema } from '../config/schema.ts'
import { type Cli, configPath, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure, problemText } from './io.ts'
import { count } from './text.ts'

export function configCommand(cli: Cli): Command {
  const command = new Command('config').description('Check the configuration, or print its JSON Schema.')
  command.addCommand(
    newCommand('check', 'Read the configuration and say everything that is wrong with it, all at once.', [
      ['holdfast config check', './holdfast.yaml'],
      ['holdfast config check other.yaml --json', 'for a script or an editor'],
    ])
      .argument('[config]', 'the file; default as for every command')
      .action((file: string | undefined, _options: unknown, self: Command) => {
        const output = outputOf(cli, self)
        const loaded = loadConfig(configPath(cli, self, file), cli.io.env)
        if (loaded.kind === 'problems') throw new CliFailure(exit.config, loaded.problems)
        const { policy, programs, path } = loaded.config
        const document = {
          path,
          ok: true,
          digest: policy.digest,
          owner: policy.owner,
          zones: policy.zones.size,
          pools: policy.pools.size,
          endpoints: policy.endpoints.size,
          programs,
          warnings: loaded.warnings,
        }
        output.print(document, () =>
          [
            ...loaded.warnings.map((warning) => problemText(warning, output.paint).replace('error', 'warning')),
            `${output.paint('green', 'ok')} ${path}: ${count(policy.endpoints.size, 'endpoint')} in ${count(policy.zones.size, 'zone')}, ${count(policy.pools.size, 'pool')}`,
          ].join('\n'),
        )
      }),
  )
  command.addCommand(
    newCommand('schema', 'Print the JSON Schema of holdfast.yaml, for editors.', [
      ['holdfast config schema > holdfast.schema.json', 'then: # yaml-language-server: $schema=holdfast.schema.json'],
    ]).action(() => {
      cli.io.out(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
    }),
  )
  return command
}

/** `holdfast init`: a commented configuration and a fresh TSIG secret, to start from. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import type { Command } from 'commander'
import { makeSecretFile } from '../config/secrets.ts'
import type { Name } from '../model/name.ts'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'

export function initCommand(cli: Cli): Command {
  return newCommand('init', 'Write a commented holdfast.yaml and a TSIG secret to start from. Overwrites nothing.', [
    ['holdfast init', 'in this folder'],
    ['holdfast init /etc/holdfast', 'in another'],
  ])
    .argument('[folder]', 'where to write; made if absent', '.')
    .action((folder: string, _options: unknown, command: Command) => {
      const output = outputOf(cli, command)
      const into = isAbsolute(folder) ? folder : join(cli.io.cwd, folder)
      const config = join(into, 'holdfast.yaml')
      const secret = join(into, 'state', 'tsig.key')
      if (existsSync(config))
        fail(
          exit.failed,
          config,
          'no file of this name',
          'one that exists',
          'choose another folder, or edit the file that is there',
        )
      mkdirSync(into, { recursive: true })
      const kept = existsSync(secret)
      const trouble = makeSecretFile({ key: 'holdfast.' as Name, file: secret, octets: 32 }, randomBytes)
      if (trouble !== undefined) throw new CliFailure(exit.failed, [trouble])
      writeFileSync(config, template, { flag: 'wx', mode: 0o644 })
      const shown = relative(cli.io.cwd, config) || config
      output.print({ config, secret, secretKept: kept }, () =>
        [
          `wrote ${shown}`,
          kept
            ? `kept  ${relative(cli.io.cwd, secret)} (it existed)`
            : `wrote ${relative(cli.io.cwd, secret)} (only you can read it)`,
          '',
          `Next: edit ${shown}, then`,
          `  holdfast config check --config ${shown}`,
          `  holdfast up ${shown}`,
        ].join('\n'),
      )
    })
}

const template = `# Holdfast's configuration. Check it with: holdfast config check
# Every key is described by: holdfast config schema

# The name of this deployment. It stands in every marker; records of another owner are never touched.
owner: example

# The store, the server's own copy and the logs; relative to this file.
state: state

# TSIG keys (RFC 8945). A secret never stands in this file.
keys:
  holdfast:
    algorithm: hmac-sha256
    secret: { file: state/tsig.key } # or { env: HOLDFAST_TSIG_SECRET }; base64

# The built-in DNS server. Leave it out if all zones are at servers of your own.
server:
  listen: [127.0.0.1:5300]
  http: 127.0.0.1:9653 # /metrics, /healthz, /readyz

zones:
  example.test:
    authority: builtin # or { rfc2136: 192.0.2.53 } for BIND, Knot, PowerDNS and others
    key: holdfast
    ns: [ns1.example.test]
    records: |
      ns1 300 IN A 127.0.0.1

# Targets that share a health check.
pools:
  web:
    check: { http: { port: 8080, path: /healthz } } # or { tcp: { port: 5432 } }, or none
    interval: 2s
    timeout: 1s
    fall: 3 # failures in a row that make a target down
    rise: 2 # successes in a row that bring it back
    ramp: 30s # a returning target grows to its full weight over this time
    targets:
      a: { site: east, addresses: [127.0.0.11], capacity: 100 }
      b: { site: west, addresses: [127.0.0.12], capacity: 100 }

# The names to keep alive.
endpoints:
  app.example.test: { pool: web, ttl: 5 }
  www.example.test: { alias: app.example.test }

# Metrics and health of all programs of \`holdfast up\` together.
http: 127.0.0.1:9600
`

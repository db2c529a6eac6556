/** Which programs `up` runs, and how each is started. */
import { join } from 'node:path'
import { digestOf, utf8 } from '../base/bytes.ts'
import type { Config } from '../config/config.ts'
import { wantsIntake } from '../config/intake.ts'
import { addressText } from '../config/units.ts'
import { lastGoodPath } from './last-good.ts'
import { serverRecordPath } from './server-health.ts'
import type { ProgramSpec } from './supervisor.ts'
import { shellWord } from './text.ts'
import { buildMark, mainFile } from './version.ts'

/** This Holdfast as a command: the same Node, the same main file. */
export const selfCommand: readonly [string, ...string[]] = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  mainFile,
]

export const logFolder = (config: Pick<Config, 'state'>): string => join(config.state, 'logs')
const recordPath = (config: Pick<Config, 'state'>, name: string): string => join(config.state, 'run', `${name}.json`)

export function programsOf(config: Config, env: NodeJS.ProcessEnv): readonly ProgramSpec[] {
  const common = ['--config', config.path, '--last-good', lastGoodPath(config)]
  const run = (kind: string, id: string) => [...selfCommand, 'run', kind, '--id', id, ...common] as const
  const role = (kind: string, id: string, more: readonly string[] = []): ProgramSpec => ({
    name: id,
    kind: 'role',
    command: [...run(kind, id), '--http', '127.0.0.1:0', ...more],
    cwd: config.dir,
    env,
    detached: null,
  })
  const several = (kind: string, howMany: number) =>
    Array.from({ length: howMany }, (_, index) => role(kind, `${kind}-${index + 1}`))
  const server: ProgramSpec[] =
    config.server === null
      ? []
      : [
          {
            name: 'server',
            kind: 'server',
            command: run('server', 'server'),
            cwd: config.dir,
            env,
            detached: {
              log: join(logFolder(config), 'server.log'),
              record: serverRecordPath(config),
              fingerprint: serverFingerprint(config),
            },
          },
        ]
  const companions = config.companions.map(({ name, command }): ProgramSpec => {
    const [program, ...args] = command
    return {
      name,
      kind: 'companion',
      // The Node that runs Holdfast, not whichever is first on PATH.
      command: [program === 'node' ? process.execPath : program, ...args],
      cwd: config.dir,
      env,
      detached: {
        log: join(logFolder(config), `companion-${name}.log`),
        record: recordPath(config, `companion-${name}`),
        fingerprint: digestOf(JSON.stringify([command, config.dir])),
      },
    }
  })
  const leaseManagers = (config.leases?.listen ?? []).map((address, index) =>
    role('leases', `leases-${index + 1}`, ['--listen', addressText(address)]),
  )
  const { planners, enactors, probers, balancers } = config.programs
  return [
    ...server,
    ...companions,
    ...several('planner', planners),
    ...several('enactor', enactors),
    ...several('prober', probers),
    ...several('intake', wantsIntake(config) ? 1 : 0),
    ...leaseManagers,
    ...several('balancer', config.haproxy === null ? 0 : balancers),
  ]
}

/** Of everything that the server was started with; keys take part by what they sign, not by their secrets. */
export function serverFingerprint(config: Config): string {
  const { server, serverHttp } = config
  const keys = [...(server?.keys.values() ?? [])].map((key) => [
    String(key),
    Buffer.from(key.mac([utf8('holdfast server fingerprint')])).toString('hex'),
  ])
  // Not what the file is called in messages: that differs by how it was named on the command line.
  const zones = server?.zones.map((zone) => ({ ...zone, recordsAt: null }))
  return digestOf(JSON.stringify([buildMark(), server?.listen, server?.dir, zones, serverHttp, keys]))
}

/** What a person types to start a companion again, from the folder that `up` was started in. */
export function companionCommand(config: Config, name: string, cwd: string): string {
  const companion = config.companions.find((one) => one.name === name)
  const words = companion?.command.map(shellWord).join(' ') ?? ''
  return cwd === config.dir
    ? words
    : `(cd ${shellWord(config.dir.startsWith(`${cwd}/`) ? config.dir.slice(cwd.length + 1) : config.dir)} && ${words})`
}

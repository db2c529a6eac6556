/**
 * `holdfast.yaml` as a value: read, checked as a whole, and in the words of the model. Whatever is wrong
 * is reported at once, each with its place; a configuration with a problem is not used at all.
 */
import { dirname, resolve } from 'node:path'
import { assert } from '../base/assert.ts'
import { isNonEmpty, type NonEmpty } from '../base/nonempty.ts'
import type { WireName } from '../dns/name.ts'
import type { TsigKey } from '../dns/tsig.ts'
import type { Haproxy } from '../model/haproxy.ts'
import type { Name } from '../model/name.ts'
import type { Policy, Zone } from '../model/policy.ts'
import type { Address, EpochMs } from '../world/world.ts'
import { policyDigest } from './digest.ts'
import { type Draft, draftOf, type EndpointInput, listed } from './draft.ts'
import { readEndpointLines } from './endpoints-file.ts'
import { type FileText, readTextFile, type Stamp } from './files.ts'
import { haproxyOf } from './haproxy.ts'
import type { IntakeConfig } from './intake.ts'
import type { LeasesConfig } from './leases.ts'
import {
  type ConfigProblem,
  configProblem,
  type Finding,
  inFileOrder,
  isPlace,
  type Place,
  type Problems,
  pathText,
} from './problems.ts'
import { checkDraft } from './rules.ts'
import type { FileShape, KeyShape } from './schema.ts'
import { type Environment, readSecrets, type SecretFile } from './secrets.ts'
import { type ServedZoneConfig, servedZones } from './served-zone.ts'
import { shapeOf } from './shape.ts'
import { textSecretFindings } from './text-secret-rules.ts'
import { textSecrets } from './text-secrets.ts'
import { durationMs, isLoopback, isUnspecified } from './units.ts'
import { readYaml } from './yaml.ts'

/** What `src/serve/settings.ts` asks for, save its limits. */
export interface ServerConfig {
  readonly listen: NonEmpty<Address>
  readonly dir: string
  readonly zones: readonly ServedZoneConfig[]
  readonly keys: ReadonlyMap<WireName, TsigKey>
}

export interface Companion {
  readonly name: string
  readonly command: NonEmpty<string>
}

export interface Config {
  /** Absolute. */
  readonly path: string
  /** Where relative paths in the file start, and where companions run. Absolute. */
  readonly dir: string
  /** When the file was last written; of several files, the latest. */
  readonly modified: EpochMs
  readonly policy: Policy
  /** Null without a `server` section. */
  readonly server: ServerConfig | null
  /** Where the built-in server shows its metrics. */
  readonly serverHttp: Address | null
  /** By the key's name. Empty if the secrets were not asked for. */
  readonly keys: ReadonlyMap<Name, TsigKey>
  /** Secret files that `generate: true` asks for and that are not there: their keys are missing from `keys`. */
  readonly generate: readonly SecretFile[]
  /** The folder for state. Absolute. */
  readonly state: string
  readonly store: { readonly path: string }
  readonly programs: {
    readonly planners: number
    readonly enactors: number
    readonly probers: number
    /** None runs without `haproxy`. */
    readonly balancers: number
  }
  /** Null without a `haproxy` section. */
  readonly haproxy: Haproxy | null
  /** Where `up` shows the metrics of all its programs. */
  readonly http: Address | null
  readonly companions: readonly Companion[]
  /** Null without an `intake` section. */
  readonly intake: IntakeConfig | null
  /** Null without a `leases` section. */
  readonly leases: LeasesConfig | null
  /** Where probers of this machine look from, and what they look at to know that they can see. */
  readonly prober: { readonly site: string | null; readonly canary: readonly Address[] }
}

export type Loaded =
  | { readonly kind: 'config'; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly kind: 'problems'; readonly problems: Problems }

export interface LoadOptions {
  /** False for programs that must not hold credentials: then `keys` is empty and no secret is looked at. */
  readonly secrets?: boolean
  /** Where relative paths in the file start, if that is not the file's own folder: for a copy of it. */
  readonly dir?: string
}

export const configBytesAtMost = 268_435_456
const endpointsAtMost = 5_000_000

/** Reads and checks a configuration. `path` is shown in problems as it is given. */
export function loadConfig(path: string, env: Environment, options: LoadOptions = {}): Loaded {
  return readConfig(path, env, options).loaded
}

/** A file that the configuration was made of, as it was then; null if it could not be read. */
export interface ReadFile {
  readonly path: string
  readonly stamp: Stamp | null
}

/** `loadConfig`, and which files it read: whoever wants to know of changes looks at these. */
export function readConfig(
  path: string,
  env: Environment,
  options: LoadOptions = {},
): { readonly loaded: Loaded; readonly files: readonly ReadFile[] } {
  const absolute = resolve(path)
  const files: ReadFile[] = []
  const found: ConfigProblem[] = []
  const fail = (problems: readonly ConfigProblem[]) => {
    const sorted = inFileOrder(problems)
    assert(isNonEmpty(sorted), 'expected a refused configuration to have a problem, found none')
    return { loaded: { kind: 'problems', problems: sorted } as const, files }
  }
  const read = (file: string, at: string): FileText | undefined => {
    const reading = readTextFile(file, configBytesAtMost)
    files.push({ path: file, stamp: reading.kind === 'file' ? reading.stamp : null })
    if (reading.kind === 'file') return reading
    found.push(configProblem({ file: at, line: reading.line, column: 1 }, '', reading))
    return undefined
  }

  const main = read(absolute, path)
  if (main === undefined) return fail(found)
  const yaml = readYaml(path, main.text)
  if (!('kind' in yaml)) return fail(yaml)
  if (yaml.value === undefined || yaml.value === null)
    return fail([
      configProblem({ file: path, line: 1, column: 1 }, '', {
        expected: 'a Holdfast configuration',
        found: 'an empty file',
        todo: 'start from `holdfast init`',
      }),
    ])

  found.push(...yaml.problems)
  const warnings: ConfigProblem[] = []
  const report = (findings: Iterable<Finding>) => {
    for (const finding of findings) {
      const { where, key } = finding
      const place: Place = isPlace(where) ? where : yaml.place(where, key === true ? 'key' : 'value')
      const problem = configProblem(place, isPlace(where) ? '' : pathText(where), finding)
      if (finding.severity === 'error') found.push(problem)
      else warnings.push(problem)
    }
  }

  const { shape, findings, broken } = shapeOf(yaml.value)
  report(findings)
  if (shape === undefined) return fail(found)

  const dir = options.dir ?? dirname(absolute)
  const { draft, findings: drafted } = draftOf(shape, broken, bulkEndpoints(shape, dir, read, found))
  report(drafted)
  const haproxy = haproxyOf(shape.haproxy, draft, dir)
  report(haproxy.findings)
  report(checkDraft(draft, Object.keys(shape.haproxy?.pools ?? {})))
  const secrets = readSecrets(keyShapes(draft, shape), dir, env, options.secrets !== false)
  report(secrets.findings)
  if (options.secrets !== false)
    report(
      textSecretFindings(
        draft,
        textSecrets(dir, env, () => 0),
      ),
    )
  const state = resolve(dir, shape.state)
  const served = servedZones(draft, path, yaml.placeInText)
  report(served.findings)
  if (found.length > 0) return fail(found)

  const policy = policyOf(draft, shape)
  const { listen } = draft.server ?? { listen: [] }
  const keys = new Map([...secrets.keys.values()].map((key) => [key.name, key]))
  const config: Config = {
    path: absolute,
    dir,
    modified: Math.max(...files.map(({ stamp }) => Math.floor(stamp?.modified ?? 0))) as EpochMs,
    policy,
    server: isNonEmpty(listen) ? { listen, dir: resolve(state, 'server'), zones: served.zones, keys } : null,
    serverHttp: draft.server?.http ?? null,
    keys: secrets.keys,
    generate: secrets.generate,
    state,
    store: { path: shape.store === undefined ? resolve(state, 'store') : resolve(dir, shape.store) },
    programs: shape.programs,
    haproxy: haproxy.haproxy,
    http: draft.http,
    intake: draft.intake,
    leases: draft.leases,
    prober: draft.prober,
    companions: shape.companions.flatMap(({ name, command }) => (isNonEmpty(command) ? [{ name, command }] : [])),
  }
  return { loaded: { kind: 'config', config, warnings: inFileOrder(warnings) }, files }
}

function keyShapes(draft: Draft, shape: FileShape): Map<Name, { path: readonly (string | number)[]; shape: KeyShape }> {
  return new Map(
    [...draft.keys].map(([name, path]) => [name, { path, shape: shape.keys[String(path[1])] as KeyShape }]),
  )
}

function* bulkEndpoints(
  shape: FileShape,
  dir: string,
  read: (file: string, at: string) => FileText | undefined,
  problems: ConfigProblem[],
): Generator<EndpointInput> {
  if (shape.endpointsFrom === undefined) return
  let count = 0
  for (const [file] of listed<string>(shape.endpointsFrom)) {
    const reading = read(resolve(dir, file), file)
    if (reading === undefined) continue
    for (const item of readEndpointLines(reading.text)) {
      const place: Place = { file, line: item.line, column: 1 }
      if (++count > endpointsAtMost) {
        const says = {
          expected: `at most ${endpointsAtMost} endpoints`,
          found: 'more',
          todo: 'use several deployments',
        }
        problems.push(configProblem(place, '', says))
        return
      }
      if (item.kind === 'endpoint') yield { name: item.name, where: place, shape: item.shape }
      else
        problems.push(
          configProblem(place, '', { expected: item.expected, found: item.found, todo: 'correct the line' }),
        )
    }
  }
}

/** The policy of a draft in which nothing was found wrong. */
function policyOf(draft: Draft, shape: FileShape): Policy {
  const onlyKey = [...draft.keys.keys()][0]
  const zones = new Map<Name, Zone>()
  for (const { name, key = onlyKey, rfc2136 } of draft.zones.values()) {
    assert(key !== undefined, `expected a key for the zone ${name}, found none after the checks`)
    const authority: Zone['authority'] =
      rfc2136 === null ? { kind: 'builtin', address: reachable(draft) } : { kind: 'rfc2136', address: rfc2136 }
    zones.set(name, { name, authority, key })
  }
  const policy: Omit<Policy, 'digest'> = {
    owner: draft.owner,
    zones,
    pools: new Map([...draft.pools].map(([id, { pool }]) => [id, pool])),
    endpoints: new Map([...draft.endpoints].map(([name, { endpoint }]) => [name, endpoint])),
    keepPlans: shape.plan.keep,
    coalesceMs: durationMs(shape.plan.coalesce) ?? 1_000,
  }
  return { digest: policyDigest(policy), ...policy }
}

/** Where programs on this machine reach the built-in server. */
function reachable(draft: Draft): Address {
  const listen = draft.server?.listen ?? []
  const address = listen.find(({ host }) => isLoopback(host)) ?? listen[0]
  assert(address !== undefined, 'expected a server that listens, found none after the checks')
  if (!isUnspecified(address.host)) return address
  return { host: address.host === '::' ? '::1' : '127.0.0.1', port: address.port }
}

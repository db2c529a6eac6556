/**
 * The shape of `holdfast.yaml`: which keys exist, of what form, with which defaults. What the values
 * mean together is checked in `rules.ts`. The JSON Schema for editors is made from this.
 */
import { z } from 'zod'
import { check, prober } from './check-shape.ts'
import { address, domain, duration, flag, id, ip, oneOrMore, table, tableOf, text, ttl, whole } from './fields.ts'
import { haproxy } from './haproxy-shape.ts'
import { demand, intake } from './intake-shape.ts'
import { leases } from './leases-shape.ts'
import { limits } from './limits-shape.ts'

const secret = table('where the secret is: { file: PATH } or { env: HOLDFAST_NAME }', {
  file: text('a path, relative to this file')
    .optional()
    .describe('A file that holds the secret in base64, readable by its owner alone. Relative to this file.'),
  env: text('the name of an environment variable that starts with HOLDFAST_', /^HOLDFAST_[A-Z0-9_]{1,100}$/)
    .optional()
    .describe('An environment variable that holds the secret in base64; its name starts with HOLDFAST_.'),
})

const key = table('a key: { algorithm, secret }', {
  algorithm: z
    .enum(['hmac-sha256', 'hmac-sha512'], { error: 'hmac-sha256 or hmac-sha512' })
    .default('hmac-sha256')
    .describe('The TSIG algorithm (RFC 8945).'),
  secret: secret.describe('Where the secret is. It never stands in this file.'),
  generate: flag()
    .default(false)
    .describe('Let `holdfast up` and `holdfast init` make the secret file if it is missing.'),
})

const server = table('the settings of the built-in DNS server', {
  listen: oneOrMore(address('where to listen'), 'an address with its port', 64)
    .default('127.0.0.1:5300')
    .describe('Where the server answers, UDP and TCP. Loopback unless you say otherwise.'),
  http: address('where to serve metrics')
    .nullable()
    .default(null)
    .describe('Where the server shows /metrics, /healthz and /readyz.'),
})

const soa = table('fields of the SOA record', {
  mname: domain('the name of the primary server').optional().describe('MNAME; the first of `ns` if absent.'),
  rname: domain('a mailbox as a domain name')
    .optional()
    .describe('RNAME: who is responsible, with a dot in place of the @.'),
  refresh: duration('refresh').default('1h').describe('How often secondaries ask for a newer serial.'),
  retry: duration('retry').default('10m').describe('How soon secondaries ask again after a failure.'),
  expire: duration('expire').default('168h').describe('When secondaries stop answering without the primary.'),
  negative: duration('negative')
    .default('30s')
    .describe('How long resolvers remember that a name or type is absent (RFC 2308).'),
  ttl: ttl().default(3600).describe('TTL of the SOA and NS records, in seconds.'),
})

const zone = table('a zone: { authority, key, … }', {
  authority: z
    .union(
      [
        z.literal('builtin', { error: 'builtin' }),
        table('{ rfc2136: ADDRESS }', {
          rfc2136: text('an IP address, with a port unless it is 53').describe(
            'A DNS server that takes dynamic updates (RFC 2136): BIND, Knot, PowerDNS, …',
          ),
        }),
      ],
      { error: 'builtin, or { rfc2136: ADDRESS }' },
    )
    .default('builtin')
    .describe('Who is authoritative for the zone: the built-in server, or one of yours.'),
  key: domain('the name of a key')
    .optional()
    .describe('The key that signs updates and reads. May be absent while there is only one.'),
  soa: soa.optional().describe('The SOA record; built-in server only.'),
  ns: oneOrMore(domain('the name of a name server'), 'a name', 32)
    .optional()
    .describe(
      'The name servers of the zone; if absent `ns1` in the zone, with the address that the server listens on. Built-in server only.',
    ),
  records: z
    .string({ error: 'records as zone-file text (RFC 1035, section 5)' })
    .max(16_777_216, { error: 'at most 16 MiB of zone-file text' })
    .optional()
    .describe('Other records of the zone as zone-file text; relative names are below the zone. Built-in server only.'),
})

const target = table('a target: { site, addresses, capacity }', {
  site: id('a site').describe('The failure domain that the target lives and dies with.'),
  addresses: oneOrMore(ip(), 'an IP address', 64).describe('Its addresses; IPv4 and IPv6.'),
  capacity: z
    .number({ error: 'a capacity above 0' })
    .positive({ error: 'a capacity above 0' })
    .max(1e9, { error: 'a capacity of at most 1000000000' })
    .default(100)
    .describe('What it can carry, in any unit that is the same for the whole pool.'),
})

const pool = table('a pool: { targets, check, … }', {
  check,
  interval: duration('interval').default('2s').describe('A round of checks starts this often.'),
  timeout: duration('timeout')
    .optional()
    .describe('One check takes at most this long; less than the interval. Half the interval if absent, at most 2s.'),
  fall: whole('fall', 1, 32).default(3).describe('So many failures in a row make a target down.'),
  rise: whole('rise', 1, 32).default(2).describe('So many successes in a row bring it back.'),
  ramp: duration('ramp')
    .default('30s')
    .describe('A returning target grows from a tenth of its weight to all of it over this time. 0s: at once.'),
  grace: duration('grace')
    .default('2m')
    .describe('A target that was added does not count as failing before this is over, nor before it ever passed.'),
  hold: duration('hold')
    .default('10s')
    .describe('A target that went down stays down so long, and twice as long each time it does so again.'),
  holdMax: duration('holdMax').default('5m').describe('At most this long.'),
  limits: limits.prefault({}).describe('How far and how fast automation may take capacity away.'),
  demand: demand
    .optional()
    .describe('How much capacity is needed now, in the units of the targets: a number, or where to ask for it.'),
  targets: tableOf('targets by name', id('a target'), target).describe('What traffic can be sent to, by name.'),
})

const endpoint = table('an endpoint: { pool: … }, { alias: … } or { addresses: … }', {
  pool: id('a pool').optional().describe('Answer from the healthy targets of this pool.'),
  alias: domain('the name of another endpoint').optional().describe('Answer with a CNAME to this other endpoint.'),
  addresses: oneOrMore(text('an IP address, or one with a weight such as 192.0.2.1*50'), 'an IP address', 1000)
    .optional()
    .describe('Always answer these addresses; a weight from 1 to 65535 may follow a *.'),
  ttl: ttl().default(60).describe('TTL in seconds.'),
  adopt: flag().default(false).describe('Take over records that exist at this name and that Holdfast did not make.'),
})

const programs = table('how many programs of each kind `holdfast up` starts', {
  planners: whole('planners', 0, 16).default(1).describe('Planners; more than one stand by for each other.'),
  enactors: whole('enactors', 0, 16).default(3).describe('Enactors; they need no leader.'),
  probers: whole('probers', 0, 16).default(1).describe('Probers.'),
  balancers: whole('balancers', 0, 16)
    .default(1)
    .describe('Balancers, where there is a section haproxy; more than one stand by for each other.'),
})

const plan = table('settings of planning', {
  keep: whole('keep', 2, 10_000).default(20).describe('So many good plans are always kept, to go back to.'),
  coalesce: duration('coalesce').default('1s').describe('Changes that are not urgent wait this long for company.'),
})

const companion = table('a companion: { name, command }', {
  name: id('a companion').describe('Shown in front of what it prints.'),
  command: z
    .array(z.string({ error: 'a word of the command' }).max(4096, { error: 'at most 4096 characters' }), {
      error: 'a list: the program and its arguments',
    })
    .min(1, { error: 'a program' })
    .max(100, { error: 'at most 100 words' })
    .describe('The program and its arguments; run in the folder of this file.'),
})

export const fileSchema = table('a Holdfast configuration: owner, zones, pools, endpoints, …', {
  owner: id('the name of this deployment').describe(
    'Name of this deployment, written into every marker: records of another owner are never touched.',
  ),
  state: text('a folder, relative to this file')
    .default('state')
    .describe('Folder for the store and the server’s own copy. Relative to this file.'),
  store: text('a folder, relative to this file')
    .optional()
    .describe('Folder of the store; `store` in the state folder if absent.'),
  keys: tableOf('TSIG keys by name', domain('a key'), key)
    .prefault({})
    .describe('TSIG keys by name. Secrets stand in files or the environment.'),
  server: server.nullable().default(null).describe('The built-in DNS server. Leave it out if you have your own.'),
  zones: tableOf('zones by name', domain('a zone'), zone).describe('The zones that hold the endpoints, by name.'),
  pools: tableOf('pools by name', id('a pool'), pool).prefault({}).describe('Targets that share a check, by name.'),
  endpoints: tableOf('endpoints by name', domain('an endpoint'), endpoint)
    .prefault({})
    .describe('The names to keep alive.'),
  endpointsFrom: oneOrMore(text('a path, relative to this file'), 'a path', 100)
    .optional()
    .describe(
      'Files of further endpoints, one a line: NAME TTL pool POOL, NAME TTL alias NAME, or NAME TTL addresses IP…',
    ),
  haproxy: haproxy
    .nullable()
    .default(null)
    .describe('HAProxy in front of the pools, which gets its weights from Holdfast.'),
  programs: programs.prefault({}).describe('How many programs of each kind `holdfast up` starts.'),
  intake: intake
    .nullable()
    .default(null)
    .describe('Takes what agents know of targets from inside: POST /v1/observations.'),
  leases: leases.nullable().default(null).describe('Leases of hosts, and their recovery: POST /v1/sync.'),
  prober: prober.prefault({}).describe('Settings of the probers of this machine.'),
  plan: plan.prefault({}).describe('How plans are made and kept.'),
  http: address('where to serve metrics')
    .nullable()
    .default(null)
    .describe('Where `holdfast up` shows /metrics, /healthz and /readyz of all its programs.'),
  companions: z
    .array(companion, { error: 'a list of companions' })
    .max(100, { error: 'at most 100 companions' })
    .default([])
    .describe('For examples and development: programs that `holdfast up` starts beside its own.'),
})

/** The file after defaults. */
export type FileShape = z.output<typeof fileSchema>
export type PoolShape = FileShape['pools'][string]
export type ZoneShape = FileShape['zones'][string]
export type KeyShape = FileShape['keys'][string]
export type EndpointShape = FileShape['endpoints'][string]

/** JSON Schema, draft 2020-12, for editors: `holdfast config schema`. */
export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { target: 'draft-2020-12', io: 'input' })
  return { $schema, title: 'Holdfast configuration', ...rest }
}

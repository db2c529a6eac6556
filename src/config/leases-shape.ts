/** The shape of the section `leases` of `holdfast.yaml`. */
import { z } from 'zod'
import { textSecret } from './check-shape.ts'
import { address, duration, number, oneOrMore, table, text, whole } from './fields.ts'

const secret = table('where the secret is: { file: PATH } or { env: HOLDFAST_NAME }', textSecret)

const postgres = table('PostgreSQL: { url, statement, … }', {
  url: secret.describe('Where the connection string is (postgres://USER:PASSWORD@HOST/DATABASE). Never in this file.'),
  statement: text('an SQL statement that names $1 and $2').describe(
    'Run for each host; $1 is the host, $2 the epoch, $3 the site. It changes the one row of the host, and only where a smaller epoch stands: UPDATE … WHERE id = $1 AND epoch < $2.',
  ),
  connections: whole('connections', 1, 4_096)
    .default(64)
    .describe('At most so many of each manager: no more operations run at once.'),
  ready: whole('connections', 0, 4_096)
    .optional()
    .describe(
      'Of these, opened ahead while there is nothing else to do: 16 if not said. In a recovery each new one costs several operations; PostgreSQL has to have room for those of all managers.',
    ),
})

const http = table('a call over HTTP: { url, … }', {
  url: text('a URL that begins with http:// or https://', /^https?:\/\/[\x21-\x7e]+$/).describe(
    'POST { host, epoch, site } goes there, with the header deadline-ms. 2xx: done. 4xx: refused. Everything else: failed.',
  ),
  bearer: secret.optional().describe('Sent as Authorization: Bearer.'),
  connections: whole('connections', 1, 4_096).default(256).describe('At most so many of each manager.'),
})

const work = {
  postgres: postgres.optional().describe('A statement on PostgreSQL.'),
  http: http.optional().describe('A call over HTTP.'),
  timeout: duration('timeout').default('2s').describe('An operation is cancelled after this time, here and there.'),
}

const renewals = z.union(
  [
    z.literal('memory', { error: 'memory' }),
    table('{ units: SHARE }', {
      units: number('the work of a renewal, as a share of a grant’s: above 0, at most 1', 0.001, 1).describe(
        'The work of a renewal, as a share of the work of a grant.',
      ),
    }),
  ],
  { error: 'memory, or { units: SHARE }' },
)

export const leases = table('leases of hosts: { token, dependency, … }', {
  listen: oneOrMore(address('where hosts report'), 'an address with its port', 16)
    .default('127.0.0.1:9660')
    .describe('Where hosts report, by plain HTTP: one manager for each address. Loopback unless you say otherwise.'),
  token: secret.describe('Where the token of the fleet is: at least 16 characters of printable ASCII without blanks.'),
  hostsMax: whole('hostsMax', 1, 4_000_000)
    .default(100_000)
    .describe('Hosts at most, known or not; a manager must be able to hold all of them when the others are gone.'),
  hosts: text('a path, relative to this file')
    .optional()
    .describe('A file with the ids of the hosts that may enrol, one a line. Everybody with the token if absent.'),
  shards: whole('shards', 1, 4_096)
    .default(256)
    .describe('Parts of the fleet that managers take over from each other.'),
  takeOver: duration('takeOver')
    .default('10s')
    .describe('A manager that was silent for so long loses its shards to the others.'),
  ttl: duration('ttl')
    .optional()
    .describe(
      'How long a lease is good. If absent by the number of hosts, 1m at least: never more load than can be borne.',
    ),
  grace: duration('grace').default('30s').describe('A lease ends so much later here than the host was told.'),
  renewals: renewals
    .default('memory')
    .describe('Renewals stay in memory, or are work for the dependency too: then how much, as a share of a grant’s.'),
  frontDoor: number('requests a second, from 10 to 1000000', 10, 1_000_000)
    .default(20_000)
    .describe('Requests a second that one manager can answer; how often hosts report follows from it.'),
  capacity: number('operations a second, from 0.1 to 1000000', 0.1, 1_000_000)
    .optional()
    .describe('What the dependency is known to do at its best, operations a second: to check that the fleet fits.'),
  sockets: whole('sockets', 1, 200_000).default(10_000).describe('Connections that a manager serves at once.'),
  dependency: table('one of postgres, http and store', {
    ...work,
    store: z.literal(true, { error: 'true' }).optional().describe('A document in the store of Holdfast itself.'),
  }).describe('What has to be done for a host to get a lease.'),
  drill: table('{ allow: true }', {
    allow: z.literal(true, { error: 'true' }).describe('Anybody with the token is told that a drill is welcome.'),
  })
    .optional()
    .describe('For staging: invites `holdfast drill recovery`, which refuses to run against a service that does not.'),
  downstream: table('one of postgres and http', work)
    .optional()
    .describe('What every host needs after that, with a governor of its own: the network, for example.'),
})

export type LeasesShape = z.output<typeof leases>

/** The shape of the `intake` section, and of a pool's `demand`. */
import { z } from 'zod'
import { textSecret, tlsClient } from './check-shape.ts'
import { address, duration, id, oneOrMore, table, tableOf, text } from './fields.ts'

const secret = table('where the secret is: { file: PATH } or { env: HOLDFAST_NAME }', textSecret)

const agent = table('an agent: { token, targets }', {
  token: secret.describe('Where its token is: at least 16 characters of printable ASCII without blanks.'),
  targets: oneOrMore(
    text('a pool, or a target as POOL/TARGET', /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,62})?$/),
    'a pool, or a target as POOL/TARGET',
    10_000,
  )
    .optional()
    .describe('What it may speak of: pools, or targets as POOL/TARGET. Everything if absent.'),
})

export const intake = table('settings of the intake: { listen, agents }', {
  listen: address('where to listen')
    .default('127.0.0.1:9640')
    .describe('Where agents post their observations, by plain HTTP. Loopback unless you say otherwise.'),
  freshness: duration('freshness')
    .default('30s')
    .describe('An observation that was sent longer ago than this, or as far in the future, is refused.'),
  agents: tableOf('agents by name', id('an agent'), agent).describe(
    'Who may post observations, by name. Several machines may share a name and its token.',
  ),
})

const prometheus = table('a Prometheus server: { address, query, … }', {
  address: address('where Prometheus listens').describe('An IP address and a port.'),
  query: text('PromQL').describe(
    'PromQL that yields one sample: the capacity that is needed, in the units of the targets.',
  ),
  path: text('a path that starts with /', /^\/[\x21-\x7e]*$/)
    .optional()
    .describe('What stands in front of /api/v1/query, such as /prometheus.'),
  every: duration('every').default('15s').describe('How often it is asked.'),
  maxAge: duration('maxAge').default('1m').describe('An older sample is not used.'),
  bearer: secret.optional().describe('Sent as Authorization: Bearer.'),
  tls: table('TLS: { serverName, ca, verify }', tlsClient)
    .optional()
    .describe('HTTPS. `{}`: with the settings as they come.'),
})

export const demand = z.union(
  [
    z
      .number({ error: 'a demand of 0 or more' })
      .min(0, { error: 'a demand of 0 or more' })
      .max(1e13, { error: 'a demand of at most 10000000000000' }),
    table('{ prometheus: … }', {
      prometheus: prometheus.describe('Asked by the intake, again and again.'),
    }),
  ],
  { error: 'a number, or { prometheus: … }' },
)

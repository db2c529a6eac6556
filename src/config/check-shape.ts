/** The shape of a pool's `check`, of the `prober` section, and of secrets that stand as text. */
import { z } from 'zod'
import { address, domain, flag, id, oneOrMore, port, table, tableOf, text, whole } from './fields.ts'

/** A secret that is text, such as a token: read where it is used. */
export const textSecret = {
  file: text('a path, relative to this file')
    .optional()
    .describe('A file that holds the secret, readable by its owner alone. Relative to this file.'),
  env: text('the name of an environment variable that starts with HOLDFAST_', /^HOLDFAST_[A-Z0-9_]{1,100}$/)
    .optional()
    .describe('An environment variable that holds the secret; its name starts with HOLDFAST_.'),
}

export const tlsClient = {
  serverName: text('a host name', /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/)
    .optional()
    .describe('The name that is asked for (SNI) and that the certificate must bear; the address if absent.'),
  verify: flag().default(true).describe('false: any certificate will do.'),
  ca: text('a path, relative to this file')
    .optional()
    .describe('A PEM file of the authorities to trust; those that come with Node if absent. Relative to this file.'),
}

const checkTls = table('TLS: { serverName, ca, verify, daysLeft }', {
  ...tlsClient,
  daysLeft: whole('daysLeft', 0, 3650).default(0).describe('The certificate must be good for so many more days.'),
})

const header = z.union(
  [
    z
      .string({ error: 'text' })
      .regex(/^[\t\x20-\x7e]*$/, { error: 'text of printable ASCII' })
      .max(4096, { error: 'at most 4096 characters' }),
    table('where the value is: { file: PATH } or { env: HOLDFAST_NAME }', {
      ...textSecret,
      prefix: z
        .string({ error: 'text' })
        .regex(/^[\x20-\x7e]{0,100}$/, { error: 'at most 100 printable characters' })
        .default('')
        .describe('Sent in front of the secret, such as "Bearer ".'),
    }),
  ],
  { error: 'text, { file: PATH } or { env: HOLDFAST_NAME }' },
)

const http = table('an HTTP check: { port, path, … }', {
  port: port().describe('The port of every target.'),
  path: text('a path that starts with /', /^\/[\x21-\x7e]*$/)
    .default('/')
    .describe('What is requested.'),
  host: text('a host name', /^[\x21-\x7e]{1,255}$/)
    .optional()
    .describe('The Host header; the address if absent.'),
  method: z.enum(['GET', 'HEAD'], { error: 'GET or HEAD' }).default('GET').describe('The method of the request.'),
  status: oneOrMore(whole('an HTTP status', 100, 599), 'an HTTP status', 100)
    .default(200)
    .describe('The statuses that mean healthy.'),
  headers: tableOf('headers by name', text('the name of a header', /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/), header)
    .prefault({})
    .describe('Headers of the request. A secret stands in a file or the environment.'),
  contains: text('text').optional().describe('Text that the body must contain, within its first 64 KiB.'),
  matches: text('a pattern')
    .optional()
    .describe(
      'A regular expression that the body must match, within its first 64 KiB; without back-references and look-around.',
    ),
  tls: checkTls.optional().describe('HTTPS. `{}`: with the settings as they come.'),
})

const tls = table('a TLS check: { port, serverName, … }', {
  port: port().describe('The port of every target.'),
  ...checkTls.shape,
})

const dns = table('a DNS check: { name, … }', {
  port: port().default(53).describe('The port of every target.'),
  name: domain('the name to ask for').describe('The name that is asked for.'),
  type: text('a type of record, such as A, AAAA or SOA', /^[A-Za-z0-9]{1,20}$/)
    .default('A')
    .describe('The type that is asked for.'),
  transport: z.enum(['udp', 'tcp'], { error: 'udp or tcp' }).default('udp').describe('How it is asked.'),
  rcode: text('a response code, such as NOERROR or NXDOMAIN', /^[A-Za-z0-9]{1,20}$/)
    .default('NOERROR')
    .describe('The response code that means healthy.'),
  answer: oneOrMore(text('data of a record, such as 192.0.2.1'), 'data of a record', 100)
    .optional()
    .describe('Data that must be among the records of the answer, as in a zone file.'),
})

const grpc = table('a gRPC health check: { port, service, … }', {
  port: port().describe('The port of every target.'),
  service: z
    .string({ error: 'the name of a service' })
    .regex(/^[\x21-\x7e]{0,255}$/, { error: 'the name of a service, at most 255 printable characters' })
    .default('')
    .describe('The service that is asked about; the server as a whole if absent.'),
  host: text('a host name', /^[\x21-\x7e]{1,255}$/)
    .optional()
    .describe('The :authority of the request; the address if absent.'),
  tls: checkTls.optional().describe('With TLS. `{}`: with the settings as they come.'),
})

const command = table('a command: { run, port }', {
  run: z
    .array(
      z
        .string({ error: 'a word of the command' })
        // biome-ignore lint/suspicious/noControlCharactersInRegex: no argument of a program can hold it
        .regex(/^[^\u0000]*$/, { error: 'a word without a null character' })
        .max(4096, { error: 'at most 4096 characters' }),
      { error: 'a list: the program and its arguments' },
    )
    .min(1, { error: 'a program' })
    .max(100, { error: 'at most 100 words' })
    .describe('The program and its arguments, without a shell; {address}, {port}, {target} and {pool} are filled in.'),
  port: port().optional().describe('What {port} stands for.'),
})

export const checkKinds = ['http', 'tcp', 'tls', 'dns', 'grpc', 'command'] as const

export const check = z
  .union(
    [
      z.literal('none', { error: 'none' }),
      table(`one of ${checkKinds.join(', ')}`, {
        http: http.optional().describe('Healthy means: an HTTP or HTTPS request is answered in time, as is said here.'),
        tcp: table('a TCP check: { port }', { port: port().describe('The port of every target.') })
          .optional()
          .describe('Healthy means: a TCP connection is accepted in time.'),
        tls: tls.optional().describe('Healthy means: a TLS handshake succeeds in time, with a good certificate.'),
        dns: dns.optional().describe('Healthy means: a DNS question is answered in time, as is said here.'),
        grpc: grpc.optional().describe('Healthy means: grpc.health.v1.Health/Check answers SERVING in time.'),
        command: command
          .optional()
          .describe('Healthy means: this program ends with exit code 0 in time. It is killed when it does not.'),
      }),
    ],
    { error: 'none, { http: … }, { tcp: … }, { tls: … }, { dns: … }, { grpc: … } or { command: … }' },
  )
  .default('none')
  .describe('How a target is judged. `none`: always healthy.')

export const prober = table('settings of probers: { site, canary }', {
  site: id('a site')
    .optional()
    .describe('The site that probers of this machine look from; `holdfast run prober --site` says otherwise.'),
  canary: oneOrMore(address('an address that accepts TCP connections'), 'an address with its port', 16)
    .optional()
    .describe(
      'Addresses that always accept TCP connections, such as a router: while none does, a prober does not judge.',
    ),
})

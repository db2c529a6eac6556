/** The shape of the section `haproxy` of `holdfast.yaml`. */
import { z } from 'zod'
import { address, id, port, table, tableOf, text, whole } from './fields.ts'

/** What HAProxy takes as the name of a backend, and a little less. */
const backend = () => id('a backend')

const pool = table('a pool behind HAProxy: { port, bind, … }', {
  backend: backend().optional().describe('The backend in HAProxy that has its slots; the name of the pool if absent.'),
  port: port()
    .optional()
    .describe('The port of every target that HAProxy sends traffic to; the port of the pool’s check if absent.'),
  slots: whole('slots', 2, 4_000)
    .optional()
    .describe(
      'How many slots `holdfast haproxy config` writes, more than targets; twice as many as targets if absent, at least 8.',
    ),
  mode: z
    .enum(['tcp', 'http'], { error: 'tcp or http' })
    .default('tcp')
    .describe('What HAProxy understands of the traffic. With http it may try a request again at another target.'),
  bind: address('where HAProxy listens')
    .optional()
    .describe('Where the frontend that `holdfast haproxy config` writes listens; if absent it writes none.'),
})

export const haproxy = table('HAProxy: { socket, pools, … }', {
  socket: text('a path, or an address on loopback such as 127.0.0.1:9999').describe(
    'HAProxy’s runtime socket (`stats socket`): a path, relative to this file, or an address on loopback.',
  ),
  stateFile: text('a path, relative to this file')
    .optional()
    .describe(
      'HAProxy’s `server-state-file`, which the balancer then keeps up to date, so that a reload loses nothing. Relative to this file.',
    ),
  pools: tableOf('pools by name', id('a pool'), pool).describe('Which pools HAProxy serves, by name.'),
})

export type HaproxyShape = z.output<typeof haproxy>

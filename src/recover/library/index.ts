/**
 * `holdfast/recover`: put before whatever may collapse when everybody comes back at once. No dependency, no
 * configuration that has to guess a capacity; docs/protect-an-endpoint.md is the ten-minute tour.
 */
export type { Hint } from '../hint.ts'
export { Shed, type ShedReason, TimedOut } from './errors.ts'
export { expressGovernor } from './express.ts'
export { type FastifyGovernorOptions, fastifyGovernor } from './fastify.ts'
export { governFetch } from './fetch.ts'
export { type Governed, governor } from './governor.ts'
export { type HttpGate, httpGate, type MiddlewareOptions, runOf } from './http.ts'
export type { Call, ClassName, GovernorOptions, Run } from './options.ts'
export type { HttpPort, Port } from './port.ts'
export type { Events, Snapshot } from './snapshot.ts'
export { type SyncClientOptions, syncClient } from './sync-client.ts'
export type { Lease } from './sync-host.ts'
export type { SyncIdentity, SyncState } from './sync-protocol.ts'
export {
  type SyncClient,
  type SyncEvents,
  type SyncHostOptions,
  type SyncRack,
  type SyncRackOptions,
  syncRack,
} from './sync-rack.ts'

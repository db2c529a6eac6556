/**
 * The server's own copy of its zones, which it answers from after a restart before it hears from anybody.
 *
 *     format                 what follows, and its version
 *     session                the server that may write: each one that starts takes over, and the one before is fenced off
 *     zone/APEX              how many names there are, and the sum of their checksums: a zone is all there, or damaged
 *     settings/APEX          the records of the settings that were last brought into the zone, as zone-file lines
 *     name/APEX/OWNER        a name with its records (`encoding.ts`)
 *
 * One update, or several together, is one transaction of the store, conditional on session and zones being as this server
 * left them.
 */
import { digestOf, fromUtf8, utf8 } from '../base/bytes.ts'
import { isProblem, type Problem, problem } from '../base/problem.ts'
import { fold, nameFromText, nameToText, type WireName } from '../dns/name.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { type Compare, never, type Revision, type Store, StoreOutage, type Write } from '../store/store.ts'
import { checksumOf, decodeNode, encodeNode } from './encoding.ts'
import { type Draft, type Node, type RRset, type Zone, zoneFromNames } from './zone.ts'

export type Written =
  | { readonly kind: 'written' }
  /** Nothing was written. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Nothing was written, as the zones on disk are not as they were last written here, or that is not known: read them again. */
  | { readonly kind: 'stale'; readonly reason: string }
  /** Another server has taken over this directory. Nothing was written, and nothing ever will be. */
  | { readonly kind: 'fenced'; readonly reason: string }

export interface StoredZone {
  readonly zone: Zone
  /** Zone-file lines. */
  readonly settings: readonly string[]
}

export interface Copy {
  /** As they were when the copy was opened. */
  readonly stored: ReadonlyMap<WireName, StoredZone>
  /** Writes a zone that is not there yet. */
  make(zone: Zone, settings: readonly string[]): Promise<Written>
  /** Makes drafts durable, all or none; `before` is each zone as it is on disk. With new settings if a zone has them. */
  write(changes: readonly ZoneChange[]): Promise<Written>
  /** A zone as it is on disk now, after `stale`, and as it certainly stays there. */
  read(apex: WireName): Promise<Zone | Problem>
  close(): Promise<void>
}

export interface ZoneChange {
  readonly before: Zone
  readonly draft: Draft | undefined
  readonly settings?: readonly string[]
}

interface ZoneState {
  readonly names: number
  /** Sum of the names' checksums, modulo 2^32. */
  readonly sum: number
  readonly revision: Revision
}

const format = '{"format":"holdfast-server","version":1}'
/** Writes of one transaction while a zone is made. */
const chunk = 5000

/** Opens the copy, or makes an empty one, and takes it over from whoever had it. `session` says for people who does. */
export async function openCopy(dir: string, session: string): Promise<Copy | Problem> {
  const at = `server directory ${dir}`
  const opened = await openLmdbStore({ path: dir, keepChanges: 1 })
  return isProblem(opened) ? { ...opened, at } : await copyIn(opened, at, session)
}

/** The same in a store that is open already: the copy closes it. `at` is where that is, for problems. */
export async function copyIn(store: Store, at: string, session: string): Promise<Copy | Problem> {
  try {
    const found = await readCopy(store, at, session)
    if (!isProblem(found)) return found
    await store.close()
    return found
  } catch (error) {
    await store.close()
    if (error instanceof StoreOutage) return { ...error.problem, at }
    throw error
  }
}

async function readCopy(store: Store, at: string, session: string): Promise<Copy | Problem> {
  const entry = await store.get('format')
  if (entry === undefined) {
    const [other] = (await store.range('', { limit: 1 })).entries
    if (other !== undefined)
      return problem(
        at,
        'a directory of the built-in server, or an empty one',
        'a store of something else',
        'give the server a directory of its own',
      )
    const made = await store.commit(
      [{ key: 'format', revision: never }],
      [{ kind: 'put', key: 'format', value: utf8(format) }],
    )
    if (made.kind !== 'committed') return notWritable(at, made.kind === 'refused' ? made.problem.found : made.kind)
  } else if (fromUtf8(entry.value) !== format)
    return problem(
      at,
      format,
      fromUtf8(entry.value).slice(0, 100),
      'use the newer Holdfast that wrote it, or another directory',
    )

  const states = new Map<WireName, ZoneState>()
  const stored = new Map<WireName, StoredZone>()
  for (const { key } of (await store.range('zone/')).entries) {
    const apex = nameFromText(key.slice('zone/'.length))
    const found = apex === undefined ? damaged(at, key, 'no name of a zone') : await readZone(at, store, fold(apex))
    if (isProblem(found)) return found
    const settings = await store.get(`settings/${nameToText(found.zone.apex)}`)
    states.set(found.zone.apex, found.state)
    stored.set(found.zone.apex, {
      zone: found.zone,
      settings: settings === undefined ? [] : fromUtf8(settings.value).split('\n').filter(Boolean),
    })
  }

  const before = await store.get('session')
  const taken = await store.commit(
    [{ key: 'session', revision: before?.revision ?? never }],
    [{ kind: 'put', key: 'session', value: utf8(session) }],
  )
  if (taken.kind !== 'committed')
    return notWritable(at, taken.kind === 'refused' ? taken.problem.found : 'another server that starts in it')
  return copyOf(at, store, stored, states, taken.revision)
}

const damaged = (at: string, zone: string, found: string): Problem =>
  problem(
    `${at}: ${zone}`,
    'every name as it was written',
    found,
    'restore the directory, or move it away: the zone is then made from the settings and the enactors',
  )

async function readZone(at: string, store: Store, apex: WireName): Promise<{ zone: Zone; state: ZoneState } | Problem> {
  const text = nameToText(apex)
  const entry = await store.get(`zone/${text}`)
  const state = entry && parseState(entry.value)
  if (entry === undefined || state === undefined)
    return damaged(at, `zone ${text}`, 'a zone record that cannot be read')
  const owners: (readonly [WireName, readonly RRset[]])[] = []
  let sum = 0
  for await (const bytes of values(store, `name/${text}/`)) {
    const owner = decodeNode(bytes)
    if (owner === undefined) return damaged(at, `zone ${text}`, 'a name whose checksum is wrong')
    owners.push(owner)
    sum = (sum + checksumOf(bytes)) >>> 0
  }
  if (owners.length !== state.names || sum !== state.sum)
    return damaged(at, `zone ${text}`, `${owners.length} of ${state.names} names, or others`)
  return { zone: zoneFromNames(apex, owners), state: { ...state, revision: entry.revision } }
}

const notWritable = (at: string, found: string): Problem =>
  problem(at, 'a directory this server alone can write', found, 'end the other server, or mend the disk')

async function* values(store: Store, prefix: string): AsyncIterable<Uint8Array> {
  let after: string | undefined
  for (;;) {
    const { entries, more } = await store.range(prefix, after === undefined ? {} : { after })
    for (const { value } of entries) yield value
    after = entries.at(-1)?.key
    if (!more || after === undefined) return
  }
}

function parseState(value: Uint8Array): Omit<ZoneState, 'revision'> | undefined {
  try {
    const { names, sum } = JSON.parse(fromUtf8(value)) as { names: unknown; sum: unknown }
    return Number.isSafeInteger(names) && Number.isSafeInteger(sum)
      ? { names: names as number, sum: sum as number }
      : undefined
  } catch {
    return undefined
  }
}

/** Names of more than the store's longest key are stood for by a digest: the value has the name. */
function nameKey(apex: WireName, owner: WireName): string {
  const key = `name/${nameToText(apex)}/${nameToText(owner)}`
  return key.length <= 450 ? key : `name/${nameToText(apex)}/`.slice(0, 400) + digestOf(owner)
}

function copyOf(
  at: string,
  store: Store,
  stored: ReadonlyMap<WireName, StoredZone>,
  states: Map<WireName, ZoneState>,
  session: Revision,
): Copy {
  const mine: Compare = { key: 'session', revision: session }

  async function commit(compares: readonly Compare[], writes: readonly Write[]): Promise<Revision | Written> {
    const outcome = await store.commit([mine, ...compares], writes)
    if (outcome.kind === 'committed') return outcome.revision
    if (outcome.kind === 'refused')
      return { kind: 'failed', reason: `${outcome.problem.found}; ${outcome.problem.todo}` }
    // It may still be written: then the next transaction finds its zones at another revision, and is stale too.
    if (outcome.kind === 'unknown') return { kind: 'stale', reason: outcome.reason }
    return outcome.failed.some(({ key }) => key === 'session')
      ? { kind: 'fenced', reason: 'another server has taken over the directory; end one of them' }
      : { kind: 'stale', reason: 'the zone on disk is not the one that was last written' }
  }

  async function make(zone: Zone, settings: readonly string[]): Promise<Written> {
    const text = nameToText(zone.apex)
    // What an interrupted attempt left behind has no zone record and counts for nothing.
    for (;;) {
      const { entries } = await store.range(`name/${text}/`, { limit: chunk })
      if (entries.length === 0) break
      const cleared = await commit(
        [],
        entries.map(({ key }) => ({ kind: 'delete', key })),
      )
      if (typeof cleared === 'object') return cleared
    }
    let [names, sum] = [0, 0]
    let writes: Write[] = []
    for (const { name, key, rrsets } of zone.nodes.values()) {
      if (rrsets.length === 0) continue
      const value = encodeNode(name, rrsets)
      writes.push({ kind: 'put', key: nameKey(zone.apex, key), value })
      names++
      sum = (sum + checksumOf(value)) >>> 0
      if (writes.length < chunk) continue
      const written = await commit([], writes)
      if (typeof written === 'object') return written
      writes = []
    }
    writes.push({ kind: 'put', key: `settings/${text}`, value: utf8(settings.join('\n')) })
    writes.push({ kind: 'put', key: `zone/${text}`, value: utf8(JSON.stringify({ names, sum })) })
    const revision = await commit([{ key: `zone/${text}`, revision: never }], writes)
    if (typeof revision === 'object') return revision
    states.set(zone.apex, { names, sum, revision })
    return { kind: 'written' }
  }

  async function write(changes: readonly ZoneChange[]): Promise<Written> {
    const compares: Compare[] = []
    const writes: Write[] = []
    const next = new Map<WireName, Omit<ZoneState, 'revision'>>()
    for (const { before, draft, settings } of changes) {
      const text = nameToText(before.apex)
      const state = states.get(before.apex)
      if (state === undefined) return { kind: 'failed', reason: `zone ${text} is not on disk` }
      let { names, sum } = state
      for (const [key, node] of draft?.changes ?? []) {
        const [old, value] = [octetsOf(before.get(key)), octetsOf(node)]
        if (old === undefined && value === undefined) continue
        names += Number(value !== undefined) - Number(old !== undefined)
        sum = (sum + (value ? checksumOf(value) : 0) - (old ? checksumOf(old) : 0)) >>> 0
        const at = nameKey(before.apex, key)
        writes.push(value === undefined ? { kind: 'delete', key: at } : { kind: 'put', key: at, value })
      }
      if (settings !== undefined)
        writes.push({ kind: 'put', key: `settings/${text}`, value: utf8(settings.join('\n')) })
      writes.push({ kind: 'put', key: `zone/${text}`, value: utf8(JSON.stringify({ names, sum })) })
      compares.push({ key: `zone/${text}`, revision: state.revision })
      next.set(before.apex, { names, sum })
    }
    const revision = await commit(compares, writes)
    if (typeof revision === 'object') return revision
    for (const [apex, state] of next) states.set(apex, { ...state, revision })
    return { kind: 'written' }
  }

  async function read(apex: WireName): Promise<Zone | Problem> {
    const found = await readZone(at, store, apex)
    if (isProblem(found)) return found
    // What a write left that failed may be readable and yet not on the disk: only a write that succeeds after it says so.
    const { names, sum, revision: before } = found.state
    const key = `zone/${nameToText(apex)}`
    const value = utf8(JSON.stringify({ names, sum }))
    const revision = await commit([{ key, revision: before }], [{ kind: 'put', key, value }])
    if (typeof revision === 'object')
      return problem(`${at}: ${key}`, 'a disk that keeps what is written', reasonOf(revision), 'look at the disk')
    states.set(apex, { names, sum, revision })
    return found.zone
  }

  return { stored, make, write, read, close: () => store.close() }
}

const reasonOf = (written: Written): string => (written.kind === 'written' ? '' : written.reason)

function octetsOf(node: Node | null | undefined): Uint8Array | undefined {
  return node == null || node.rrsets.length === 0 ? undefined : encodeNode(node.name, node.rrsets)
}

/**
 * What the parts of a configuration must be to each other. Pure: a draft goes in, findings come out,
 * every one of them.
 */
import { type Name, zoneOf } from '../model/name.ts'
import { type Draft, type DraftEndpoint, type DraftPool, display } from './draft.ts'
import { limitFindings } from './limits.ts'
import { didYouMean, type Finding, type Path, type Place, quoted } from './problems.ts'
import { addressText, isLoopback } from './units.ts'

/** Resolvers give up on longer chains; each link also costs a look-up. */
const aliasesInARow = 8
/** More addresses in one answer than this do not fit into a message, or no client looks at them. */
const targetsInAnswer = 1_000
/** Programs that probers run at once; see `health/checker.ts`. */
const commandsAtOnce = 32

/** `used`: pools that serve otherwise than by an endpoint. */
export function checkDraft(draft: Draft, used: readonly string[] = []): readonly Finding[] {
  return [
    ...endpointFindings(draft),
    ...circleFindings(draft),
    ...[...draft.pools.values()].flatMap((pool) => [...poolFindings(pool)]),
    ...unusedPools(draft, used),
    ...zoneFindings(draft),
    ...listenFindings(draft),
  ]
}

type Says = readonly [expected: string, found: string, todo: string]

const error = (where: Path | Place, [expected, found, todo]: Says, key = false): Finding => ({
  where,
  key,
  severity: 'error',
  expected,
  found,
  todo,
})
const warning = (where: Path | Place, [expected, found, todo]: Says, key = false): Finding => ({
  ...error(where, [expected, found, todo], key),
  severity: 'warning',
})

const below = (where: Path | Place, ...rest: Path): Path | Place => (Array.isArray(where) ? [...where, ...rest] : where)

function meant(word: string, known: Iterable<string>, otherwise: string): string {
  const near = didYouMean(word, known)
  return near === undefined ? otherwise : `did you mean ${quoted(near)}?`
}

const has = (names: ReadonlySet<string> | 'all', name: string): boolean =>
  names === 'all' || names.has(name) || names.has(name.replace(/\.$/, ''))

function* endpointFindings(draft: Draft): Generator<Finding> {
  for (const { pool, where } of draft.strays) if (isUnknownPool(draft, pool)) yield unknownPool(draft, where, pool)
  for (const entry of draft.endpoints.values()) {
    const { endpoint, where } = entry
    const { name, zone, from, ttl } = endpoint
    if (name.split('.').includes('_holdfast'))
      yield error(
        where,
        ['a name without the label _holdfast', quoted(display(name)), 'choose another name: markers stand there'],
        true,
      )
    if (name.length > 244)
      yield error(
        where,
        ['at most 243 characters, so that its marker has room', `${name.length - 1}`, 'shorten the name'],
        true,
      )
    if (from.kind === 'alias') {
      if (name === zone)
        yield error(below(where, 'alias'), [
          'addresses or a pool at the apex of a zone',
          'an alias, which may not stand beside SOA and NS (RFC 1034, section 3.6.2)',
          'give it the pool of what it points to',
        ])
      yield* aliasFindings(draft, entry, from.of)
    } else if (from.kind === 'pool') {
      const targets = draft.pools.get(from.pool)?.pool.targets.length ?? 0
      if (isUnknownPool(draft, from.pool)) yield unknownPool(draft, where, from.pool)
      else if (targets > targetsInAnswer)
        yield error(below(where, 'pool'), [
          `a pool of at most ${targetsInAnswer} targets where DNS answers`,
          `${targets} targets`,
          'split the pool',
        ])
      else if (ttl > 300)
        yield warning(below(where, 'ttl'), [
          'a TTL of at most 300 seconds where health decides',
          `${ttl}`,
          'lower it: resolvers keep a dead address that long',
        ])
    }
  }
}

const isUnknownPool = (draft: Draft, pool: string): boolean => !draft.pools.has(pool) && !has(draft.broken.pools, pool)

const unknownPool = (draft: Draft, where: Path | Place, pool: string): Finding =>
  error(below(where, 'pool'), [
    'a pool of this file',
    quoted(pool),
    meant(pool, draft.pools.keys(), 'add the pool, or correct the name'),
  ])

function* aliasFindings(draft: Draft, { where }: DraftEndpoint, of: Name): Generator<Finding> {
  if (draft.endpoints.has(of) || has(draft.broken.endpoints, of) || draft.broken.zones === 'all') return
  const at = below(where, 'alias')
  const inside = zoneOf(of, draft.zoneNames) !== undefined
  const known = function* () {
    for (const name of draft.endpoints.keys()) yield display(name)
  }
  if (inside)
    yield error(at, [
      'the name of an endpoint of this file',
      `${quoted(display(of))}, which is none`,
      meant(display(of), known(), 'add that endpoint, or correct the name'),
    ])
  else
    yield error(at, [
      'the name of an endpoint of this file',
      `${quoted(display(of))}, outside of every zone here`,
      meant(display(of), known(), 'point at an endpoint: an alias must never lead to nothing'),
    ])
}

/** Aliases that lead back to themselves, each circle once, and chains that are too long. */
function* circleFindings(draft: Draft): Generator<Finding> {
  /** How many aliases follow from here to the end; circles count as seen. */
  const depth = new Map<Name, number>()
  for (const start of draft.endpoints.values()) {
    if (start.endpoint.from.kind !== 'alias' || depth.has(start.endpoint.name)) continue
    const chain: DraftEndpoint[] = []
    const onChain = new Map<Name, number>()
    let at: DraftEndpoint | undefined = start
    while (at?.endpoint.from.kind === 'alias' && !depth.has(at.endpoint.name) && !onChain.has(at.endpoint.name)) {
      onChain.set(at.endpoint.name, chain.length)
      chain.push(at)
      at = draft.endpoints.get(at.endpoint.from.of)
    }
    const back = at === undefined ? undefined : onChain.get(at.endpoint.name)
    let length = at === undefined || back !== undefined ? 0 : (depth.get(at.endpoint.name) ?? 0)
    if (back !== undefined) {
      const circle = chain.slice(back).map(({ endpoint }) => display(endpoint.name))
      const first = chain[back] as DraftEndpoint
      const names = circle.length > 8 ? [...circle.slice(0, 7), '…'] : circle
      yield error(below(first.where, 'alias'), [
        'an alias that ends at addresses or a pool',
        `a circle: ${[...names, circle[0]].join(' → ')}`,
        'let one of them answer from a pool or addresses',
      ])
      for (const { endpoint } of chain.slice(back)) depth.set(endpoint.name, 0)
    }
    for (const entry of chain.slice(0, back ?? chain.length).reverse()) {
      length++
      depth.set(entry.endpoint.name, length)
      if (length === aliasesInARow + 1)
        yield error(below(entry.where, 'alias'), [
          `at most ${aliasesInARow} aliases in a row`,
          `${length}`,
          'point it nearer to the end of the chain',
        ])
    }
  }
}

function* poolFindings({ pool, path, isWhole }: DraftPool): Generator<Finding> {
  const { targets } = pool
  if (pool.timeoutMs >= pool.intervalMs)
    yield error(
      [...path, 'timeout'],
      [
        `less than the interval of ${pool.intervalMs}ms`,
        `${pool.timeoutMs}ms`,
        'lower the timeout or raise the interval',
      ],
    )
  if (pool.check.kind === 'command') {
    // When none of them ends, each takes its whole time-out: a round must be over before the next one.
    const needed =
      (targets.reduce((sum, { addresses }) => sum + addresses.length, 0) * pool.timeoutMs) / pool.intervalMs
    if (needed > commandsAtOnce)
      yield error(
        [...path, 'interval'],
        [
          `at most ${commandsAtOnce} commands at once`,
          `${Math.ceil(needed)}, when none of them ends before its timeout`,
          'raise the interval, lower the timeout, or use another check',
        ],
      )
  }
  yield* limitFindings(pool, path, isWhole)
  const owners = new Map<string, string>()
  for (const target of targets) {
    for (const address of target.addresses) {
      const owner = owners.get(address)
      if (owner !== undefined)
        yield error(
          [...path, 'targets', target.id, 'addresses'],
          [
            'each address once in a pool',
            `${address}, which ${owner === target.id ? 'stands here twice' : `${owner} has too`}`,
            'correct one of the two',
          ],
        )
      owners.set(address, target.id)
    }
  }
}

function* unusedPools(draft: Draft, elsewhere: readonly string[]): Generator<Finding> {
  const used = new Set<string>(elsewhere)
  for (const { endpoint } of draft.endpoints.values()) if (endpoint.from.kind === 'pool') used.add(endpoint.from.pool)
  if (draft.broken.endpoints === 'all' || draft.broken.endpoints.size > 0) return
  for (const [id, { path }] of draft.pools)
    if (!used.has(id))
      yield warning(path, ['an endpoint that answers from this pool', 'none', 'add one, or remove the pool'], true)
}

function* zoneFindings(draft: Draft): Generator<Finding> {
  for (const zone of draft.zones.values()) {
    const { path, shape, key, rfc2136 } = zone
    if (shape.key === undefined && draft.keys.size !== 1 && draft.broken.keys !== 'all' && draft.broken.keys.size === 0)
      yield error(
        [...path, 'key'],
        [
          'the name of a key',
          draft.keys.size === 0
            ? 'nothing, and no keys in this file'
            : `nothing, and ${draft.keys.size} keys to choose from`,
          draft.keys.size === 0 ? 'add a key under keys: whoever may write must prove it' : 'name one of the keys',
        ],
        true,
      )
    if (key !== undefined && !draft.keys.has(key) && !has(draft.broken.keys, key))
      yield error(
        [...path, 'key'],
        [
          'a key of this file',
          quoted(display(key)),
          meant(display(key), [...draft.keys.keys()].map(display), 'add the key, or correct the name'),
        ],
      )
    if (rfc2136 === null && draft.server === null)
      yield error(
        [...path, 'authority'],
        [
          'a server section for a zone of the built-in server',
          'none',
          'add server: {}, or name your own server: authority: { rfc2136: ADDRESS }',
        ],
        true,
      )
    if (rfc2136 !== null)
      for (const field of ['soa', 'ns', 'records'] as const)
        if (shape[field] !== undefined)
          yield error(
            [...path, field],
            ['nothing: this zone is kept at your own server', field, 'remove it, and keep it in that server’s zone'],
            true,
          )
  }
  // Leases need no name.
  const isForNames = draft.leases === null || draft.endpoints.size > 0
  if (isForNames && draft.zones.size === 0 && draft.broken.zones !== 'all' && draft.broken.zones.size === 0)
    yield error(['zones'], ['at least one zone', 'none', 'add the zone that your endpoints are in'], true)
  if (
    draft.server !== null &&
    draft.broken.zones !== 'all' &&
    ![...draft.zones.values()].some(({ rfc2136 }) => rfc2136 === null)
  )
    yield warning(
      ['server'],
      ['a zone with authority: builtin', 'none', 'remove the server section, or give it a zone'],
      true,
    )
}

function* listenFindings({ server, http, intake, leases }: Draft): Generator<Finding> {
  const open = function* (where: Path, host: string, what: string): Generator<Finding> {
    if (!isLoopback(host)) yield warning(where, ['a loopback address, unless others shall reach it', host, what])
  }
  const tcp = new Map<string, string>()
  const claim = function* (where: Path, text: string): Generator<Finding> {
    const other = tcp.get(text)
    if (other !== undefined)
      yield error(where, ['an address and port of its own', `${text}, as ${other} has`, 'choose another port'])
    tcp.set(text, where.join('.'))
  }
  for (const [index, address] of (server?.listen ?? []).entries()) {
    yield* claim(['server', 'listen', index], addressText(address))
    yield* open(['server', 'listen', index], address.host, 'make sure that a firewall admits only those who shall ask')
  }
  for (const [path, address] of [
    [['server', 'http'], server?.http ?? null],
    [['http'], http],
  ] as const) {
    if (address === null) continue
    yield* claim([...path], addressText(address))
    yield* open([...path], address.host, 'put it behind something that asks for a password: these pages have none')
  }
  if (intake !== null) {
    yield* claim(['intake', 'listen'], addressText(intake.listen))
    yield* open(['intake', 'listen'], intake.listen.host, 'put TLS in front of it: tokens travel in the clear')
  }
  for (const address of leases?.listen ?? []) {
    yield* claim(['leases', 'listen'], addressText(address))
    yield* open(['leases', 'listen'], address.host, 'put TLS in front of it: the token travels in the clear')
  }
}

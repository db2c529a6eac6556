/**
 * A story: everything that determines a run. The seed draws the world's randomness (delays, order,
 * ids); the region's shape and what happens to it are written out, so that a failing story can be
 * shrunk by leaving things out, kept in a file, and read by a person.
 */
import { type Stream, stream } from './sim/random.ts'

/**
 * What answers for a zone: the built-in server with its own code; a strict fake; one that takes a call as a whole and
 * compares the TTL, as Route 53 does; one that replaces whatever stands there.
 */
export const authorityKinds = ['server', 'strict', 'batch', 'atomic'] as const
export type AuthorityKind = (typeof authorityKinds)[number]

export interface Shape {
  readonly planners: number
  readonly enactors: number
  readonly probers: number
  /** Pools, each with this many targets, spread over three sites. */
  readonly pools: readonly number[]
  /** Names answered from each pool, aliases of those, and names with addresses of their own. */
  readonly endpointsPerPool: number
  readonly aliases: number
  readonly fixed: number
  readonly zones: number
  readonly keepPlans: number
  readonly coalesceMs: number
  readonly rampMs: number
  readonly comparesTtl: boolean
  /** Records of somebody else at a planned name. */
  readonly foreign: boolean
  /** Sites that are out may return, and others go out, within a story; absent: after minutes. */
  readonly quickSites?: true
  /** Of each zone; absent: a strict fake, which compares the TTL or not. */
  readonly authorities?: readonly AuthorityKind[]
}

export const kindOf = ({ authorities }: Shape, zone: number): AuthorityKind => authorities?.[zone] ?? 'strict'

/** Processes on which the built-in server runs, one for each such zone. */
export const serverIds = (shape: Shape): readonly string[] =>
  Array.from({ length: shape.zones }, (_, zone) => zone)
    .filter((zone) => kindOf(shape, zone) === 'server')
    .map(serverId)

export const serverId = (zone: number): string => `server-z${zone}`

/** Times in virtual milliseconds; `per mille` where a fault is a matter of chance. */
export type Happening = { readonly at: number } & (
  | { readonly kind: 'crash'; readonly process: string; readonly forMs: number }
  | { readonly kind: 'pause'; readonly process: string; readonly forMs: number }
  | { readonly kind: 'clock'; readonly process: string; readonly byMs: number; readonly driftPpm: number }
  /** Everybody at once. */
  | { readonly kind: 'restart'; readonly forMs: number }
  /** `way`: which messages do not get through; absent: none do. */
  | {
      readonly kind: 'cut-store'
      readonly process: string
      readonly way?: 'there' | 'back'
      readonly forMs: number
    }
  | { readonly kind: 'cut-authority'; readonly process: string; readonly zone: number; readonly forMs: number }
  | { readonly kind: 'store-down'; readonly forMs: number }
  | { readonly kind: 'authority-down'; readonly zone: number; readonly forMs: number }
  /** It answers, and takes nothing. */
  | { readonly kind: 'store-full'; readonly forMs: number }
  | { readonly kind: 'store-weather'; readonly lost: number; readonly delayMs: number; readonly forMs: number }
  | {
      readonly kind: 'authority-weather'
      readonly zone: number
      readonly lost: number
      readonly lies: number
      readonly servfail: number
      readonly throttled: number
      /** Changes that the authority will not make, whoever asks how often. */
      readonly refused?: number
      readonly delayMs: number
      readonly forMs: number
    }
  | {
      readonly kind: 'net-weather'
      readonly drop: number
      readonly reset?: number
      readonly delayMs: number
      readonly forMs: number
    }
  /** What a prober sends to the targets of a site (3: to its canary) is lost, or what those answer. */
  | {
      readonly kind: 'cut-net'
      readonly process: string
      readonly site: number
      readonly way: 'there' | 'back'
      readonly forMs: number
    }
  /** What an authority hears, or what it says, does not get through. */
  | {
      readonly kind: 'cut-one-way'
      readonly process: string
      readonly zone: number
      readonly way: 'to' | 'from'
      readonly forMs: number
    }
  /** Connections to a server break, datagrams come twice and out of turn. */
  | {
      readonly kind: 'link-weather'
      readonly zone: number
      readonly drop: number
      readonly duplicate: number
      readonly reorder: number
      readonly reset: number
      readonly delayMs: number
      readonly forMs: number
    }
  /** A server's disk. */
  | { readonly kind: 'disk'; readonly zone: number; readonly what: 'full' | 'failing' | 'slow'; readonly forMs: number }
  /** A server's machine goes off and comes back: what its disk had not written for certain is torn. */
  | { readonly kind: 'power'; readonly zone: number; readonly forMs: number }
  /** An update that a server was sent some time ago comes to it once more. */
  | { readonly kind: 'replay'; readonly zone: number; readonly which: number }
  /** Somebody who may not tries to change a name of a server: without a signature, with a wrong one, with a key for something else. */
  | {
      readonly kind: 'intruder'
      readonly zone: number
      readonly name: number
      readonly how: 'unsigned' | 'forged' | 'other-key'
    }
  | {
      readonly kind: 'hand'
      readonly name: number
      readonly what: 'edit' | 'empty' | 'unmark' | 'garble' | 'outrun' | 'all'
    }
  /** The event loop of a prober is late. */
  | { readonly kind: 'strain'; readonly process: string; readonly lateMs: number; readonly forMs: number }
  /** A zone loses all records. */
  | { readonly kind: 'zone-lost'; readonly zone: number }
  /** A copy is made of a zone, or put back. */
  | { readonly kind: 'zone-backup'; readonly zone: number; readonly what: 'make' | 'put-back' }
  /** The other owner changes a name of his, or gives it up. */
  | { readonly kind: 'rival'; readonly name: number; readonly what: 'change' | 'leave' }
  | {
      readonly kind: 'damage'
      readonly what: 'plan' | 'shard' | 'head' | 'garble-plan' | 'progress' | 'documents' | 'everything'
    }
  /** A copy is made of the store; or all programs are stopped, and it is put back. */
  | { readonly kind: 'store-backup'; readonly what: 'make' | 'put-back' }
  | {
      readonly kind: 'flap'
      readonly pool: number
      readonly target: number
      readonly everyMs: number
      readonly times: number
    }
  | { readonly kind: 'target'; readonly pool: number; readonly target: number; readonly up: boolean }
  | { readonly kind: 'pool'; readonly pool: number; readonly up: boolean }
  /** All targets of a site, in all pools. */
  | { readonly kind: 'site'; readonly site: number; readonly forMs: number }
  | { readonly kind: 'policy'; readonly what: PolicyEdit; readonly subject?: number }
  /** One change of the policy after the other. */
  | { readonly kind: 'edits'; readonly everyMs: number; readonly times: number }
  | {
      readonly kind: 'override'
      readonly what: OverrideEdit
      readonly subject: number
    }
)

export type OverrideEdit = (typeof overrideEdits)[number] | (typeof siteEdits)[number]
const overrideEdits = ['freeze', 'thaw', 'rollback', 'pin', 'unpin', 'drain', 'undrain', 'retire'] as const
/** `restore` takes an evacuation back, `cancel` a maintenance window. */
const siteEdits = ['evacuate', 'restore', 'maintain', 'cancel'] as const

export type PolicyEdit = (typeof policyEdits)[number]
export const policyEdits = [
  'ttl',
  'add',
  'add-alias',
  /** A name where somebody else is already. */
  'add-taken',
  'remove',
  'add-again',
  'turn',
  'unpool',
  'repool',
  'fewer-targets',
  'all-targets',
  'half',
  'empty',
  'whole',
  'unreadable',
  'readable',
] as const

export interface Story {
  readonly seed: number
  readonly shape: Shape
  /** Faults and work happen until then; then everything is healed. */
  readonly troubleMs: number
  /** After healing, everything has to be right by then. */
  readonly calmMs: number
  readonly happenings: readonly Happening[]
}

export function drawStory(seed: number): Story {
  const random = stream(seed, 'story')
  const shape = drawShape(random)
  const troubleMs = random.between(20, 60) * 1000
  const count = random.between(5, 40)
  const happenings: Happening[] = []
  // Some kinds are absent from a story, so that the others are not always drowned by them.
  const kinds = random.shuffle([...drawers]).slice(0, random.between(3, drawers.length))
  // What was published is known from the marker in DNS or from the history in the store. Who loses both at
  // once has lost it: the name then stays as it is, blocked, until somebody says `adopt`. So a story takes
  // the one or the other.
  const keepsMarkers = random.chance({ of: 1, in: 2 })
  // In half of the stories much comes close together: what one fault began, the next one meets half done.
  const gathers = random.chance({ of: 1, in: 2 })
  for (let i = 0, at = 0; i < count; i++) {
    const follows = gathers && at > 0 && random.chance({ of: 2, in: 3 })
    at = Math.min(troubleMs - 1_000, follows ? at + random.between(0, 500) : random.between(2_000, troubleMs - 1_000))
    const happening = { at, ...random.pick(kinds)(random, shape) } as Happening
    if (!(keepsMarkers ? losesMarker(happening) : losesHistory(happening))) happenings.push(happening)
  }
  const drawn = { seed, shape, troubleMs, calmMs: 120_000, happenings }
  return withSites({ ...drawn, ...withAuthorities(drawn) })
}

/** In a third of the stories sites go out and come back, by order and, where they are large enough, by themselves. Drawn by itself too. */
function withSites(story: Story): Story {
  const random = stream(story.seed, 'sites')
  if (!random.chance({ of: 1, in: 3 })) return story
  const [first = 2, ...rest] = story.shape.pools
  const areLarge = random.chance({ of: 1, in: 2 })
  const large = { pools: [Math.max(first, random.between(9, 12)), ...rest], probers: 3 }
  const more = Array.from({ length: random.between(1, 8) }, () => {
    const at = random.between(2_000, story.troubleMs - 1_000)
    const what = random.pick(['evacuate', 'restore', 'maintain', 'cancel', 'fail', 'fail'] as const)
    return (
      what === 'fail'
        ? { at, kind: 'site', site: random.below(3), forMs: random.between(2_000, 20_000) }
        : { at, kind: 'override', what, subject: random.below(64) }
    ) as Happening
  })
  return {
    ...story,
    shape: { ...story.shape, ...(areLarge ? large : {}), quickSites: true },
    happenings: inOrder([...story.happenings, ...more]),
  }
}

/**
 * In half of the stories something else than strict fakes answers for the zones. Drawn by itself, so that what else
 * happens in a story does not depend on it.
 */
function withAuthorities({ seed, shape, troubleMs, happenings }: Story): Pick<Story, 'shape' | 'happenings'> {
  const random = stream(seed, 'authorities')
  if (random.chance({ of: 1, in: 2 })) return { shape, happenings: inOrder(happenings) }
  const authorities = Array.from({ length: shape.zones }, () =>
    random.pick(['server', 'server', 'strict', 'batch', 'atomic'] as const),
  )
  const whole = { ...shape, authorities }
  const zones = authorities.flatMap((kind, zone) => (kind === 'server' ? [zone] : []))
  const more: Happening[] = []
  if (zones.length > 0)
    for (let left = random.between(0, 16); left > 0; left--) {
      const at = random.between(2_000, troubleMs - 1_000)
      const happening = { at, ...random.pick(serverDrawers)(random, random.pick(zones), shape) } as Happening
      more.push(happening)
    }
  return { shape: whole, happenings: inOrder([...happenings, ...more]) }
}

const inOrder = (all: readonly Happening[]) => [...all].sort((a, b) => a.at - b.at)

const losesMarker = (happening: Happening): boolean =>
  (happening.kind === 'hand' && ['unmark', 'garble', 'all', 'outrun'].includes(happening.what)) ||
  happening.kind === 'zone-lost' ||
  happening.kind === 'zone-backup'

const losesHistory = ({ kind }: Happening): boolean => kind === 'damage' || kind === 'store-backup'

function drawShape(random: Stream): Shape {
  const pools = Array.from({ length: random.between(1, 2) }, () =>
    random.between(2, random.chance({ of: 1, in: 5 }) ? 12 : 6),
  )
  return {
    planners: random.between(1, 2),
    enactors: random.between(1, 3),
    probers: random.between(1, 3),
    pools,
    endpointsPerPool: random.between(1, 3),
    aliases: random.between(0, 4),
    fixed: random.between(0, 2),
    zones: random.between(1, 2),
    keepPlans: random.between(2, 4),
    coalesceMs: random.pick([0, 200, 1_000]),
    rampMs: random.pick([0, 4_000, 10_000]),
    comparesTtl: random.chance({ of: 1, in: 3 }),
    foreign: random.chance({ of: 1, in: 4 }),
  }
}

/** With this kind of authority for every zone; undefined: the usual strict fake. */
export function withAuthority(story: Story, kind: AuthorityKind | undefined): Story {
  const { authorities: _, ...rest } = story.shape
  const shape = kind === undefined ? rest : { ...rest, authorities: Array.from({ length: rest.zones }, () => kind) }
  return { ...story, shape, happenings: fitting(shape, story.happenings) }
}

/** Distributes over `Happening`, which `Omit` would flatten. */
type Undated = Happening extends infer H ? (H extends Happening ? Omit<H, 'at'> : never) : never

const duration = (random: Stream): number =>
  random.chance({ of: 1, in: 4 }) ? random.between(5_000, 30_000) : random.between(50, 5_000)

const anyProcess = (random: Stream, shape: Shape): string =>
  random.pick([
    ...processIds('planner', shape.planners),
    ...processIds('enactor', shape.enactors),
    ...processIds('enactor', shape.enactors),
    ...processIds('prober', shape.probers),
  ])

export const processIds = (role: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${role}-${index + 1}`)

/** Those that can happen to a region of this shape: who is not there cannot crash. */
export function fitting(shape: Shape, happenings: readonly Happening[]): readonly Happening[] {
  const ids = new Set([
    ...processIds('planner', shape.planners),
    ...processIds('enactor', shape.enactors),
    ...processIds('prober', shape.probers),
    ...serverIds(shape),
  ])
  return happenings.filter((happening) => {
    if ('process' in happening && !ids.has(happening.process)) return false
    if (onlyAtServers.has(happening.kind) && kindOf(shape, 'zone' in happening ? happening.zone : 0) !== 'server')
      return false
    if ('pool' in happening && happening.pool >= shape.pools.length) return false
    return !('zone' in happening) || happening.zone < shape.zones
  })
}

const onlyAtServers: ReadonlySet<string> = new Set([
  'cut-one-way',
  'link-weather',
  'disk',
  'power',
  'replay',
  'intruder',
])

const serverDrawers: readonly ((random: Stream, zone: number, shape: Shape) => Undated)[] = [
  (random, zone) => ({ kind: 'crash', process: serverId(zone), forMs: duration(random) }),
  (random, zone) => ({ kind: 'power', zone, forMs: duration(random) }),
  (random, zone) => ({ kind: 'pause', process: serverId(zone), forMs: duration(random) }),
  (random, zone) => ({
    kind: 'clock',
    process: serverId(zone),
    byMs: random.between(-400_000, 400_000),
    driftPpm: random.between(-2_000, 2_000),
  }),
  (random, zone, shape) => ({
    kind: 'cut-one-way',
    process: random.pick(processIds('enactor', shape.enactors)),
    zone,
    way: random.pick(['to', 'from'] as const),
    forMs: duration(random),
  }),
  (random, zone) => ({
    kind: 'link-weather',
    zone,
    drop: random.between(0, 300),
    duplicate: random.between(0, 300),
    reorder: random.between(0, 300),
    reset: random.between(0, 100),
    delayMs: random.between(1, 300),
    forMs: duration(random),
  }),
  (random, zone) => ({
    kind: 'disk',
    zone,
    what: random.pick(['full', 'failing', 'slow'] as const),
    forMs: duration(random),
  }),
  (random, zone) => ({ kind: 'replay', zone, which: random.below(64) }),
  (random, zone) => ({
    kind: 'intruder',
    zone,
    name: random.below(64),
    how: random.pick(['unsigned', 'forged', 'other-key'] as const),
  }),
]

const drawers: readonly ((random: Stream, shape: Shape) => Undated)[] = [
  (random, shape) => ({ kind: 'crash', process: anyProcess(random, shape), forMs: duration(random) }),
  (random, shape) => ({ kind: 'pause', process: anyProcess(random, shape), forMs: duration(random) }),
  (random, shape) => ({
    kind: 'clock',
    process: anyProcess(random, shape),
    byMs: random.between(-60_000, 60_000),
    driftPpm: random.between(-2_000, 2_000),
  }),
  (random) => ({ kind: 'restart', forMs: duration(random) }),
  (random, shape) => ({
    kind: 'cut-store',
    process: anyProcess(random, shape),
    ...random.pick([{}, { way: 'there' }, { way: 'back' }] as const),
    forMs: duration(random),
  }),
  (random, shape) => ({
    kind: 'cut-authority',
    process: random.pick(processIds('enactor', shape.enactors)),
    zone: random.below(shape.zones),
    forMs: duration(random),
  }),
  (random) => ({ kind: 'store-down', forMs: duration(random) }),
  (random, shape) => ({ kind: 'authority-down', zone: random.below(shape.zones), forMs: duration(random) }),
  (random) => ({ kind: 'store-full', forMs: duration(random) }),
  (random) => ({
    kind: 'store-weather',
    lost: random.between(0, 200),
    delayMs: random.between(1, 300),
    forMs: duration(random),
  }),
  (random, shape) => ({
    kind: 'authority-weather',
    zone: random.below(shape.zones),
    lost: random.between(0, 300),
    lies: random.between(0, 200),
    servfail: random.between(0, 200),
    throttled: random.between(0, 300),
    refused: random.chance({ of: 1, in: 3 }) ? random.between(0, 300) : 0,
    delayMs: random.between(1, 500),
    forMs: duration(random),
  }),
  (random) => ({
    kind: 'net-weather',
    drop: random.between(0, 300),
    reset: random.between(0, 300),
    delayMs: random.between(1, 200),
    forMs: duration(random),
  }),
  (random, shape) => ({
    kind: 'cut-net',
    process: random.pick(processIds('prober', shape.probers)),
    site: random.below(4),
    way: random.pick(['there', 'back'] as const),
    forMs: duration(random),
  }),
  (random, shape) => ({
    kind: 'strain',
    process: random.pick(processIds('prober', shape.probers)),
    lateMs: random.between(20, 2_000),
    forMs: duration(random),
  }),
  (random) => ({
    kind: 'hand',
    name: random.below(64),
    what: random.pick(['edit', 'empty', 'unmark', 'garble', 'outrun', 'all'] as const),
  }),
  (random) => ({
    kind: 'damage',
    what: random.pick(['plan', 'shard', 'head', 'garble-plan', 'progress', 'documents', 'everything'] as const),
  }),
  (random) => ({ kind: 'store-backup', what: random.pick(['make', 'put-back'] as const) }),
  (random, shape) =>
    random.chance({ of: 1, in: 3 })
      ? { kind: 'zone-lost', zone: random.below(shape.zones) }
      : { kind: 'zone-backup', zone: random.below(shape.zones), what: random.pick(['make', 'put-back'] as const) },
  (random) => ({ kind: 'rival', name: random.below(64), what: random.pick(['change', 'change', 'leave'] as const) }),
  (random, shape) => {
    const pool = random.below(shape.pools.length)
    const target = random.below(shape.pools[pool] ?? 1)
    return { kind: 'flap', pool, target, everyMs: random.between(300, 4_000), times: random.between(2, 12) }
  },
  (random, shape) => {
    const pool = random.below(shape.pools.length)
    return { kind: 'target', pool, target: random.below(shape.pools[pool] ?? 1), up: random.chance({ of: 1, in: 2 }) }
  },
  (random) => ({ kind: 'site', site: random.below(3), forMs: random.between(2_000, 40_000) }),
  (random, shape) => ({ kind: 'pool', pool: random.below(shape.pools.length), up: random.chance({ of: 1, in: 2 }) }),
  (random) => ({
    kind: 'policy',
    what: random.pick([...policyEdits, ...policyEdits.slice(0, 6)]),
    subject: random.below(64),
  }),
  (random) => ({ kind: 'edits', everyMs: random.pick([20, 300, 1_500]), times: random.between(3, 20) }),
  (random) => ({
    kind: 'override',
    what: random.pick(overrideEdits),
    subject: random.below(64),
  }),
]

/** One line a person can read. */
export function tell(happening: Happening): string {
  const { at, kind, ...rest } = happening
  const fields = Object.entries(rest).map(([key, value]) => `${key} ${value}`)
  return `${(at / 1000).toFixed(3).padStart(9)} s  ${kind}  ${fields.join(', ')}`
}

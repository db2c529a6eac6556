/**
 * The commands of a scenario. One word says what is done, the rest is what with; what a command prints is
 * what the scenario must show. Times are never printed, and limits are generous: a scenario is about
 * what happens and in which order, not about how fast.
 *
 *     region enactors 2 targets 3          a region, started (keys: see `shapeOf`)
 *     foreign NAME ADDRESS                  somebody else's record, before `region` starts anybody
 *     wait 5s | wait 3h
 *     until settled | until plan 3 | until NAME at 3 | until NAME answers ADDRESS... | until held ENACTOR
 *     until traced EVENT [by PROCESS]
 *     crash|start|resume PROCESS, pause PROCESS 5s     (`planners`, `enactors`, `probers`, `all` for many)
 *     hold ENACTOR look|write NAME, release ENACTOR
 *     deafen|undeafen ENACTOR               its writes are carried out, but it never hears so
 *     cut|mend PROCESS store|zone0
 *     zone0 lost 20% lies 100% servfail 50% throttled 50% | zone0 calm | store lost 20% | store calm
 *     disk zone0 full|failing|slow|calm, power zone0    (of a server: `authorities server`)
 *     deployment other [ttl 60]             a second one for the same names, with the same owner; stop deployment
 *     target 0/1 down|up, pool 0 down|up, flap 0/1 20 times
 *     policy ttl 60 | add NAME | remove NAME | alias NAME of NAME | addresses NAME ADDRESS... | empty |
 *            unreadable | readable | other for PLANNER
 *     override KIND ... [breaking S5], revoke KIND ...
 *     hand NAME addresses ADDRESS... | empty | unmarked | ttl 5 | text WORD
 *     ask NAME                              from now on every answer of the name is kept
 *     show names | NAME | plans | answers | changes | traces EVENT... [by PROCESS] | reasons WORD |
 *            blocked | ails
 */

import { fitted } from '../../src/cli/text.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import { generationAt } from '../checks/check.ts'
import { drawDiagram, type Mark } from '../diagram.ts'
import { regionDiagram } from '../region-diagram.ts'
import { ms } from '../sim/kernel.ts'
import { type AuthorityKind, authorityKinds, type Shape } from '../story.ts'
import { befall, durationOf, pairs } from './deeds.ts'
import { describe, Stage } from './stage.ts'

const mostMs = 180_000
const seenMs = 3_000

export class Player {
  readonly #seed: number
  #stage: Stage | null = null
  readonly #notes: Mark[] = []
  #tracesShown = 0
  #changesShown = 0
  /** False until the region has settled for the first time: what was said and changed before is not asked for. */
  #begun = false

  constructor(seed: number) {
    this.#seed = seed
  }

  get hash(): string {
    return this.#stage?.kernel.hash ?? ''
  }

  /** Lines that it prints. @throws Error for a command that is none */
  async play(command: string): Promise<readonly string[]> {
    const [word = '', ...args] = command.split(/\s+/)
    if (word === 'region') {
      this.#stage = new Stage(this.#seed, shapeOf(args))
      for (const [name, address] of foreignOf(args))
        this.#stage.placeForeign(name, { addresses: [address as never], ttl: 60 as never })
      this.#stage.region.startAll()
      return []
    }
    const stage = this.#stage
    if (stage === null) throw new Error(`expected "region ..." before "${command}"`)
    if (!/^(until|show|ask|wait|hold)$/.test(word)) this.#note(stage, command, args[0] ?? '')
    const lines = await this.#do(stage, word, args)
    return stage.violation === null
      ? lines
      : [...lines, `VIOLATION ${stage.violation.invariant}: ${stage.violation.text}`]
  }

  /** What was done, for the picture; what was done at one time is told together. */
  #note(stage: Stage, command: string, first: string): void {
    const at = stage.kernel.now / 1000
    const last = this.#notes.at(-1)
    if (last?.at === at) this.#notes[this.#notes.length - 1] = { ...last, text: `${last.text}; ${command}` }
    else
      this.#notes.push({
        lane: stage.region.processes.has(first) ? first : 'planner-1',
        at,
        tone: 'note',
        text: command,
      })
  }

  /** The scenario so far as a space-time diagram. */
  draw(title: string, about: string): string {
    const stage = this.#stage
    if (stage === null) throw new Error('expected "region ..." before a picture')
    stage.chronicle.endAll()
    const to = stage.kernel.now / 1000
    const marks = this.#notes.map((mark) => ({ ...mark, text: fitted(mark.text ?? '', 120) }))
    const { shape } = stage.region
    return drawDiagram(
      regionDiagram(stage.chronicle, { title, description: about, shape, to, about, spans: [], marks }),
    )
  }

  async #do(stage: Stage, word: string, args: readonly string[]): Promise<readonly string[]> {
    const [first = '', second = '', third = ''] = args
    switch (word) {
      case 'wait':
        await stage.wait(durationOf(first))
        return []
      case 'until':
        return this.#until(stage, args)
      case 'show':
        return this.#show(stage, args)
      case 'ask':
        stage.ask(first as Name)
        return []
      case 'hold':
        if (second !== 'look' && second !== 'write') throw new Error(`expected look or write, found ${second}`)
        stage.hold(first, second, third as Name)
        return []
      case 'release':
        stage.release(first)
        return []
      case 'deafen':
        stage.deaf.add(first)
        return []
      case 'undeafen':
        stage.deaf.delete(first)
        return []
      default:
        befall(stage, word, args)
        return []
    }
  }

  async #until(stage: Stage, args: readonly string[]): Promise<readonly string[]> {
    const [first = '', second = '', ...rest] = args
    const reached = async (isSo: () => boolean, line: () => string): Promise<readonly string[]> =>
      (await stage.until(isSo, mostMs))
        ? [line()]
        : [`NOT REACHED: ${stage.wrong() ?? 'all names are as the newest plan says'}`]
    if (first === 'settled') {
      // Looks twice a second: a look costs more than an event.
      let next = 0
      const isSettled = () => {
        if (stage.kernel.now < next) return false
        next = stage.kernel.now + ms(500)
        return stage.wrong() === null
      }
      const lines = await reached(isSettled, () => `plan ${newest(stage)} is published everywhere`)
      // Those who did not write it have to see it.
      await stage.wait(seenMs)
      if (!this.#begun) {
        this.#tracesShown = stage.traces.length
        this.#changesShown = stage.changes.length
      }
      this.#begun = true
      return lines
    }
    if (first === 'plan')
      return reached(
        () => newest(stage) >= Number(second),
        () => `plan ${newest(stage)} is the newest`,
      )
    if (first === 'held')
      return reached(
        () => stage.heldBack(second) !== null,
        () => {
          const generation = stage.heldBack(second)?.generation ?? null
          return `${second} is held before ${generation === null ? 'its look' : `its write of plan ${generation}`}`
        },
      )
    if (first === 'traced') {
      const from = this.#tracesShown
      const by = rest[1]
      const find = () =>
        stage.traces
          .slice(from)
          .find((traced) => traced.event.event === second && (by === undefined || traced.by === by))
      return reached(
        () => find() !== undefined,
        () => `${by ?? 'somebody'} has said ${second}`,
      )
    }
    const name = first as Name
    if (second === 'at')
      return reached(
        () => (generationAt(stage.standing(name)) ?? 0) >= Number(rest[0]),
        () => describe(name, stage.standing(name)),
      )
    if (second === 'answers')
      return reached(
        () => stage.resolve(name) === rest.join(' '),
        () => describe(name, stage.standing(name)),
      )
    throw new Error(`expected something to wait for, found "until ${args.join(' ')}"`)
  }

  #show(stage: Stage, args: readonly string[]): readonly string[] {
    const [what = '', ...rest] = args
    switch (what) {
      case 'names':
        return [...new Set([...stage.region.authorities].flatMap((authority) => [...authority.names()]))]
          .sort()
          .map((name) => describe(name, stage.standing(name)))
      case 'plans': {
        const plans = stage.region.store.keys(keys.plan.prefix).map((key) => Number(key.slice(keys.plan.prefix.length)))
        return [`plans ${plans.join(' ')}; the newest is ${newest(stage)}`]
      }
      case 'answers':
        return [...stage.asked].map(([name, answers]) => `${name} answered ${answers.join(', then ')}`)
      case 'changes': {
        const changes = stage.changes.slice(this.#changesShown)
        this.#changesShown = stage.changes.length
        return changes.length === 0
          ? ['no record changed']
          : changes.map(({ name, after, by }) => `${by === 'hand' ? 'by hand' : 'changed'}: ${describe(name, after)}`)
      }
      case 'traces':
        return this.#traces(stage, rest)
      case 'reasons':
        return reasons(stage).filter((line) => rest.every((word) => line.includes(word)))
      case 'blocked':
        return blocked(stage)
      case 'ails':
        return ails(stage)
      default:
        return [describe(what as Name, stage.standing(what as Name))]
    }
  }

  /** Each line once; of the events asked for, since the last time that traces were shown. */
  #traces(stage: Stage, wanted: readonly string[]): readonly string[] {
    const at = wanted.indexOf('by')
    const [events, who] = at < 0 ? [wanted, undefined] : [wanted.slice(0, at), wanted[at + 1]]
    const found = stage.traces
      .slice(this.#tracesShown)
      .filter(({ event, by }) => events.includes(event.event) && (who === undefined || who === by))
    this.#tracesShown = stage.traces.length
    const lines = found.map(({ by, event: { event, ...fields } }) => {
      const told = Object.entries(fields).filter(([key]) => !/^(ms|retryMs|zone|digest|shards)$/.test(key))
      return `${by} ${event} ${told.map(([key, value]) => `${key} ${value}`).join(', ')}`
    })
    return lines.length === 0 ? [`nobody said ${wanted.join(' or ')}`] : [...new Set(lines)]
  }
}

function newest(stage: Stage): number {
  return keys.head.decode(stage.region.store.peek(keys.head.key()) ?? new Uint8Array())?.generation ?? 0
}

function reasons(stage: Stage): readonly string[] {
  const head = keys.plan.decode(stage.region.store.peek(keys.plan.key(newest(stage) as never)) ?? new Uint8Array())
  return (head?.reasons ?? []).map(({ subject, text }) => `${subject}: ${text}`)
}

function blocked(stage: Stage): readonly string[] {
  const lines = stage.region.store.keys(keys.progress.prefix).flatMap((key) => {
    const progress = keys.progress.decode(stage.region.store.peek(key) ?? new Uint8Array())
    return (progress?.blocked ?? []).map(({ name, why }) => `${name}: ${why}`)
  })
  return lines.length === 0 ? ['nothing is blocked'] : [...new Set(lines)].sort()
}

/** What programs say of themselves; numbers differ from seed to seed. */
function ails(stage: Stage): readonly string[] {
  const lines = stage.region.store.keys(keys.status.prefix).flatMap((key) => {
    const status = keys.status.decode(stage.region.store.peek(key) ?? new Uint8Array())
    return (status?.ails ?? []).map((text) =>
      text.replace(/[0-9]+ plans/, 'many plans').replace(/plan [0-9]+ by generation [0-9]+/, 'the latest'),
    )
  })
  return lines.length === 0 ? ['nothing ails anybody'] : [...new Set(lines)].sort()
}

function shapeOf(args: readonly string[]): Shape {
  const given = pairs(args)
  const known =
    'planners enactors probers targets endpoints aliases fixed zones keep coalesce ramp compares-ttl foreign authorities'
  for (const key of given.keys())
    if (!known.split(' ').includes(key)) throw new Error(`expected one of ${known}, found "${key}"`)
  const number = (key: string, usual: number) => Number(given.get(key) ?? usual)
  return {
    planners: number('planners', 1),
    enactors: number('enactors', 2),
    probers: number('probers', 1),
    pools: (given.get('targets') ?? '3').split(',').map(Number),
    endpointsPerPool: number('endpoints', 1),
    aliases: number('aliases', 0),
    fixed: number('fixed', 0),
    zones: number('zones', 1),
    keepPlans: number('keep', 2),
    coalesceMs: number('coalesce', 0),
    rampMs: number('ramp', 0),
    comparesTtl: given.get('compares-ttl') === 'yes',
    foreign: false,
    ...(given.has('authorities') && { authorities: (given.get('authorities') ?? '').split(',').map(kindNamed) }),
  }
}

function kindNamed(word: string): AuthorityKind {
  const kind = authorityKinds.find((one) => one === word)
  if (kind === undefined) throw new Error(`expected one of ${authorityKinds.join(', ')}, found "${word}"`)
  return kind
}

/** `foreign NAME=ADDRESS`. */
function foreignOf(args: readonly string[]): readonly (readonly [Name, string])[] {
  const given = pairs(args).get('foreign')
  if (given === undefined) return []
  const [name = '', address = ''] = given.split('=')
  return [[name as Name, address]]
}

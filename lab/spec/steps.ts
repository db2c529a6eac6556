/**
 * Events of a program as steps of the model. What it is told is part of the event: the caller sees to it
 * that it was so.
 */
import type { Event, Stands } from './events.ts'
import { cell, type Model, type Step } from './model.ts'

export interface Program {
  readonly process: 'planner' | 'enactor' | 'sweep'
  readonly me: string
}

/** When the model has no such step: which, and which of its conditions does not hold. */
export interface Refusal {
  readonly step: string
  readonly condition: string
}

const tell = ({ process, me, action, choice }: Step): string =>
  [process, me === process ? '' : me, action, ...Object.entries(choice).map(([name, value]) => `${name}=${value}`)]
    .filter((word) => word !== '')
    .join(' ')

/** What the model's world has that a step may name. */
export interface World {
  names(): Iterable<string>
  /** A plan before `loaded` that has the name since `generation`, or null; plan 0 has none. */
  earlier(name: string, generation: number, loaded: number): number | null
}

/** A commit is asked for at one instant, on what the program knows then, and takes effect at another. */
export type When = 'whole' | 'asked' | 'landed'

/** Takes the step, or says why the model has none. */
export function follow(
  model: Model,
  { process, me }: Program,
  event: Event,
  world: World,
  when: When = 'whole',
): Refusal | null {
  const step = (action: string, choice: Step['choice'] = {}, then: ReadonlyMap<string, number> | null = null) => {
    const taken: Step = { process, me, action, choice }
    const condition = model.step(taken, then)
    return condition === null ? null : { step: tell(taken), condition }
  }
  /** What it knows counts when it asks, what it changes is changed when that takes effect. */
  const commit = (action: string, choice: Step['choice'], then: ReadonlyMap<string, number> | null = null) => {
    const taken: Step = { process, me, action, choice }
    const condition = when === 'landed' ? null : model.refuses(taken, then)
    if (condition !== null) return { step: tell(taken), condition }
    if (when !== 'asked') model.apply(taken, then)
    return null
  }
  const isEnactor = process === 'enactor'
  switch (event.kind) {
    case 'head': {
      const then = new Map([['head', event.generation]])
      if (!isEnactor) return step('looks', {}, then)
      const refusal = step('hears', {}, then)
      if (refusal !== null) return refusal
      // Whoever asked: to be told the head tells all of the program. Where it may not count, it does not.
      for (const e of world.names()) step('asks', { e }, then)
      return null
    }
    case 'plan':
      // A look at a plan that it did not set out for gives it nothing to work from.
      if (isEnactor && model.own(process, me, 'working') === event.generation)
        return step('loads', {}, new Map([[cell('plan', event.generation), 1]]))
      return null
    case 'record': {
      const { name, stands } = event
      // A zone's pass looks at what its aliases lead to, while another one is about to write there. To find what it
      // has found already is no step: nothing is known that was not, and what head has said since still counts.
      if (isEnactor && isKnown(model, me, name, stands)) return null
      return step('reads', { e: name }, standing(name, stands))
    }
    case 'glimpse': {
      const { name, stands } = event
      // It may have been more then: hands take markers away.
      const then = new Map([[cell('record', name), Math.max(stands.record, model.get('record', name))]])
      return step('glimpses', { e: name, r: stands.record, w: stands.wrong }, then)
    }
    case 'claims':
      return step('counts', {}, cells('claim', event.claims))
    case 'progress':
      if (isEnactor) return null
      return step('asks', {}, cells('enacted', event.enacted))
    case 'claim':
      return commit('claims', { g: event.generation })
    case 'unclaimed':
      return step('proceeds', { g: event.generation }, new Map([['noRoom', 1]]))
    case 'says': {
      const { enacted, excused } = event
      return commit('says', { g: enacted }, new Map(excused.map((name) => [cell(`${me}.best`, name), Infinity])))
    }
    case 'recalls':
      return step('recalls', {}, new Map([[cell('enacted', me), event.enacted]]))
    case 'write':
      return send(model, me, event, world, step)
    case 'publish':
      model.setOwn(event.base, me, 'base')
      return step('publishes', { g: event.generation })
    case 'delete':
      if (event.base !== model.own(process, me, 'base'))
        return {
          step: `sweep deletes p=${event.generation}`,
          condition: 'the head that it compares is the one it looked at',
        }
      return step('deletes', { p: event.generation })
    case 'restart':
      return isEnactor ? step('crashes') : null
    case 'other':
      return { step: event.text, condition: 'a step of the model' }
  }
}

const isKnown = (model: Model, me: string, name: string, { record, wrong }: Stands): boolean =>
  model.own('enactor', me, 'found', name) === record && model.own('enactor', me, 'foundWrong', name) === wrong

export const standing = (name: string, { record, wrong }: Stands): ReadonlyMap<string, number> =>
  new Map([
    [cell('record', name), record],
    [cell('wrong', name), wrong],
  ])

export const cells = (name: string, values: ReadonlyMap<string, number>): ReadonlyMap<string, number> =>
  new Map([...values].map(([index, value]) => [cell(name, index), value]))

function send(
  model: Model,
  me: string,
  { name, expected, generation }: Extract<Event, { kind: 'write' }>,
  world: World,
  step: (action: string, choice: Step['choice']) => Refusal | null,
): Refusal | null {
  const found = { record: model.own('enactor', me, 'found', name), wrong: model.own('enactor', me, 'foundWrong', name) }
  if (found.record !== expected.record || found.wrong !== expected.wrong) {
    const loaded = model.own('enactor', me, 'loaded')
    const earlier = expected.wrong === 0 ? world.earlier(name, expected.record, loaded) : null
    if (earlier === null)
      return {
        step: `enactor ${me} sends e=${name}`,
        condition: `what it expects (${expected.record}, ${expected.wrong}) it read there (${found.record}, ${found.wrong}), or an earlier plan has it`,
      }
    const refusal = step('assumes', { e: name, p: earlier })
    if (refusal !== null) return refusal
  }
  const refusal = step('sends', { e: name })
  if (refusal !== null) return refusal
  const to = model.get('sent', me, name)
  return to === generation
    ? null
    : {
        step: `enactor ${me} sends e=${name}`,
        condition: `it writes what its plan says: under ${to}, found ${generation}`,
      }
}

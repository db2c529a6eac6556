/** What a program is seen to ask, to be told and to do. */
import { keys } from '../../src/model/keys.ts'
import type { Write } from '../../src/store/store.ts'

/** What stands at a name, as the model has it. */
export interface Stands {
  readonly record: number
  readonly wrong: number
}

export type Event =
  /** Told: this plan is head. */
  | { readonly kind: 'head'; readonly generation: number }
  /** Told: what the store has under the number of a plan is whole. */
  | { readonly kind: 'plan'; readonly generation: number }
  | { readonly kind: 'record'; readonly name: string; readonly stands: Stands }
  /** Told in parts, which were so at different instants. */
  | { readonly kind: 'glimpse'; readonly name: string; readonly stands: Stands }
  | { readonly kind: 'claims'; readonly claims: ReadonlyMap<string, number> }
  | { readonly kind: 'progress'; readonly enacted: ReadonlyMap<string, number> }
  | { readonly kind: 'claim'; readonly generation: number }
  /** Told: the store takes nothing. */
  | { readonly kind: 'unclaimed'; readonly generation: number }
  | { readonly kind: 'says'; readonly enacted: number; readonly excused: readonly string[] }
  /** Replace `expected` by what the plan that it works from says of the name, under `generation`. */
  | { readonly kind: 'write'; readonly name: string; readonly expected: Stands; readonly generation: number }
  /** Made on top of that head, which the commit compares; -1: it compares none. */
  | { readonly kind: 'publish'; readonly base: number; readonly generation: number }
  | { readonly kind: 'delete'; readonly base: number; readonly generation: number }
  /** Told its own last words. */
  | { readonly kind: 'recalls'; readonly enacted: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'other'; readonly text: string }

/** What an enactor says by a commit. */
export function enactorEvents(writes: readonly Write[], id: string): readonly Event[] {
  return writes.flatMap((write): readonly Event[] => {
    const value = write.kind === 'put' ? write.value : new Uint8Array()
    if (write.key === keys.claim.key(id))
      return [{ kind: 'claim', generation: keys.claim.decode(value)?.generation ?? 0 }]
    if (write.key === keys.progress.key(id)) {
      const progress = keys.progress.decode(value)
      const excused = (progress?.blocked ?? []).map(({ name }) => name)
      return [{ kind: 'says', enacted: progress?.enacted ?? 0, excused }]
    }
    // To people, and which of them writes where an authority compares nothing.
    if (write.key.startsWith(keys.status.prefix) || write.key.startsWith(keys.writer.prefix)) return []
    return [{ kind: 'other', text: `${write.kind} ${write.key}` }]
  })
}

export function textOf(event: Event): string {
  return JSON.stringify(event, (_, value: unknown) => (value instanceof Map ? Object.fromEntries(value) : value))
}

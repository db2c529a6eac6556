/**
 * What an enactor of `holdfast.pml` may do next, as a table: one rule for each of its labels. The checker
 * runs it beside the production enactor, over every path that the explorer learned of it.
 */

/** What an enactor asked or did, and what it was told. */
export type Event =
  | { readonly kind: 'head'; readonly generation: number }
  | { readonly kind: 'claim'; readonly generation: number }
  | { readonly kind: 'claimed'; readonly generation: number }
  | { readonly kind: 'recalled'; readonly enacted: number }
  | { readonly kind: 'plan'; readonly generation: number; readonly isThere: boolean }
  | { readonly kind: 'record'; readonly name: string; readonly generation: number }
  | { readonly kind: 'write'; readonly name: string; readonly from: number; readonly to: number }
  | { readonly kind: 'says'; readonly enacted: number }
  | { readonly kind: 'other'; readonly text: string }

/** What the model's enactor knows, since it was started. */
export interface Known {
  readonly head: number
  readonly claim: number
  /** The newest plan that it has read. */
  readonly plan: number
  /** By name, what it read there last; absent: never read, or written since. */
  readonly found: ReadonlyMap<string, number>
  /** `name generation` of everything that it ever read: it may take for granted that what it saw still stands, since the condition of the write finds out. */
  readonly ever: ReadonlySet<string>
  /** The head as it was read after the last look at any record. */
  readonly checked: number
  /** What it said last of how far it is. */
  readonly said: number
}

export const start: Known = { head: 0, claim: 0, plan: 0, found: new Map(), ever: new Set(), checked: 0, said: 0 }

interface Rule<K extends Event['kind']> {
  /** The label in `holdfast.pml`. */
  readonly label: string
  /** Why it may not, or null. */
  refuses(known: Known, event: Extract<Event, { kind: K }>, names: readonly string[]): string | null
  after(known: Known, event: Extract<Event, { kind: K }>): Known
}

export const rules: { readonly [K in Exclude<Event['kind'], 'other'>]: Rule<K> } = {
  head: {
    label: 'checks_head',
    refuses: () => null,
    after: (known, { generation }) => ({ ...known, head: generation, checked: generation }),
  },
  claim: {
    label: 'claims',
    refuses: ({ head }, { generation }) =>
      generation === head ? null : `claims plan ${generation}, and the head that it read is ${head}`,
    after: (known, { generation }) => ({ ...known, claim: generation }),
  },
  claimed: { label: 'start', refuses: () => null, after: (known, { generation }) => ({ ...known, claim: generation }) },
  // Of a life before: what was once true stays true.
  recalled: { label: 'start', refuses: () => null, after: (known, { enacted }) => ({ ...known, said: enacted }) },
  plan: {
    label: 'reads_plan',
    refuses: ({ claim }, { generation }) =>
      generation === claim ? null : `reads plan ${generation} while it claims ${claim}`,
    after: (known, { generation, isThere }) => (isThere ? { ...known, plan: generation } : known),
  },
  record: {
    label: 'reads_record',
    refuses: () => null,
    after: (known, { name, generation }) => ({
      ...known,
      found: new Map(known.found).set(name, generation),
      ever: new Set(known.ever).add(`${name} ${generation}`),
      checked: 0,
    }),
  },
  write: {
    label: 'writes',
    refuses({ plan, claim, ever, checked }, { name, from, to }) {
      if (to > plan) return `writes plan ${to}, which it has not read`
      if (claim < to) return `writes plan ${to}, and claims ${claim}`
      if (!ever.has(`${name} ${from}`)) return `writes on the condition of ${from}, which it never read there`
      if (from > to) return `writes plan ${to} over ${from}`
      if (checked !== plan) return `writes plan ${to} without having asked again whether ${plan} is the newest`
      return null
    },
    after(known, { name }) {
      const found = new Map(known.found)
      found.delete(name)
      return { ...known, found, checked: 0 }
    },
  },
  says: {
    label: 'says',
    refuses({ found, said }, { enacted }, names) {
      const behind = enacted > said ? names.find((name) => (found.get(name) ?? 0) < enacted) : undefined
      return behind === undefined
        ? null
        : `says that plan ${enacted} is published, and read ${found.get(behind) ?? 'nothing'} at ${behind}`
    },
    after: (known, { enacted }) => ({ ...known, said: enacted }),
  },
}

/** What the enactor knows after the event, or which rule it broke. */
export function follow(known: Known, event: Event, names: readonly string[]): Known | string {
  if (event.kind === 'other') return `no rule of the model allows: ${event.text}`
  const rule = rules[event.kind] as Rule<typeof event.kind>
  const refused = rule.refuses(known, event as never, names)
  return refused === null ? rule.after(known, event as never) : `${rule.label}: ${refused}`
}

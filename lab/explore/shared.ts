/**
 * The store and the authority of a machine: each operation is one step. Revisions count the commits of
 * one key, not of the store, so that commits elsewhere do not tell states apart that are the same.
 */
import type { Answer } from '../../src/model/answer.ts'
import { type Marker, markerStrings } from '../../src/model/marker.ts'
import type { Name } from '../../src/model/name.ts'
import type { Provider, Published, Reading, WriteOutcome } from '../../src/providers/provider.ts'
import {
  type Commit,
  type Compare,
  type Entry,
  never,
  type Range,
  type Revision,
  type Store,
  type Watched,
  type Write,
} from '../../src/store/store.ts'
import type { Standing } from '../sim/authority.ts'
import { hashed, type Self } from './machine.ts'

interface Stored {
  readonly value: Uint8Array | null
  readonly revision: Revision
  readonly text: string
}

const decoder = new TextDecoder()

export interface SharedStoreOptions {
  /** Keys that no other program ever looks at, or that will not change any more. */
  isPrivate(key: string, kind: 'read' | 'write', by: string): boolean
  /** Documents as far as programs act on them: what they only count is left out. */
  canonical(key: string, text: string): string
}

export class SharedStore {
  readonly #entries = new Map<string, Stored>()
  readonly #options: SharedStoreOptions
  onCommit: (writes: readonly Write[], by: string) => void = () => {}

  constructor(options: SharedStoreOptions) {
    this.#options = options
  }

  peek(key: string): Uint8Array | undefined {
    return this.#entries.get(key)?.value ?? undefined
  }

  keys(prefix: string): string[] {
    return [...this.#entries]
      .flatMap(([key, { value }]) => (value !== null && key.startsWith(prefix) ? [key] : []))
      .sort()
  }

  put(key: string, value: Uint8Array): void {
    this.#apply([], [{ kind: 'put', key, value }], 'start')
  }

  text(): string {
    return [...this.#entries]
      .filter(([key]) => !key.startsWith('status/'))
      .map(([key, { revision, text }]) => `${key}@${revision}=${text}`)
      .sort()
      .join('\n')
  }

  of(self: Self): Store {
    const { isPrivate } = this.#options
    return {
      get: (key) =>
        self.wait(
          `get ${key}`,
          () => {
            const value = this.#get(key)
            return { value, told: value === undefined ? '-' : `${value.revision}:${this.#entries.get(key)?.text}` }
          },
          isPrivate(key, 'read', self.id) ? 'private' : 'shared',
        ),
      range: (prefix) =>
        self.wait(
          `range ${prefix}`,
          () => {
            const value = this.#range(prefix)
            return { value, told: value.entries.map(({ key }) => `${key}:${this.#entries.get(key)?.text}`).join(' ') }
          },
          isPrivate(prefix, 'read', self.id) ? 'private' : 'shared',
        ),
      commit: (compares, writes) =>
        self.wait(
          `commit ${compares.map(({ key, revision }) => `${key}@${revision}`).join(' ')} ${writes
            .map(
              (write) =>
                `${write.kind} ${write.key} ${write.kind === 'put' ? this.#textOf(write.key, write.value) : ''}`,
            )
            .join(' ')}`,
          () => {
            const value = this.#apply(compares, writes, self.id)
            return { value, told: value.kind === 'conflict' ? JSON.stringify(value.failed) : value.kind }
          },
          compares.length === 0 && writes.every(({ key }) => isPrivate(key, 'write', self.id)) ? 'private' : 'shared',
        ),
      watch: (prefix, after) =>
        self.wait(
          `watch ${prefix}@${after}`,
          () => {
            const revision = this.#revisionOf(prefix)
            const value: Watched =
              revision === after ? { kind: 'quiet', revision } : { kind: 'changed', keys: this.keys(prefix), revision }
            return { value, told: `${value.kind} ${revision}` }
          },
          'timed',
          () => this.#revisionOf(prefix) !== after,
        ),
      close: async () => {},
    }
  }

  #textOf(key: string, value: Uint8Array): string {
    return hashed(this.#options.canonical(key, decoder.decode(value)))
  }

  #get(key: string): Entry | undefined {
    const stored = this.#entries.get(key)
    return stored?.value == null ? undefined : { key, value: stored.value, revision: stored.revision }
  }

  #range(prefix: string): Range {
    const entries = this.keys(prefix).map((key) => this.#get(key) as Entry)
    return { entries, revision: this.#revisionOf(prefix), more: false }
  }

  #revisionOf(prefix: string): Revision {
    let sum = 0
    for (const [key, { revision }] of this.#entries) if (key.startsWith(prefix)) sum += revision
    return sum as Revision
  }

  #apply(compares: readonly Compare[], writes: readonly Write[], by: string): Commit {
    const failed = compares
      .map((compare) => {
        const stored = this.#entries.get(compare.key)
        return { ...compare, found: stored?.value == null ? never : stored.revision }
      })
      .filter(({ revision, found }) => revision !== found)
    if (failed.length > 0) return { kind: 'conflict', failed }
    for (const write of writes) {
      const revision = ((this.#entries.get(write.key)?.revision ?? 0) + 1) as Revision
      const value = write.kind === 'put' ? write.value.slice() : null
      this.#entries.set(write.key, { value, revision, text: value === null ? '-' : this.#textOf(write.key, value) })
    }
    this.onCommit(writes, by)
    return { kind: 'committed', revision: this.#revisionOf('') }
  }
}

const nothing: Standing = { marker: [], addresses: [], alias: null, ttl: null }

export class SharedAuthority {
  readonly #standing = new Map<Name, Standing>()
  /** Whether a write is conditional on what was read: switched off to see what it is good for. */
  readonly #isConditional: boolean
  onChange: (name: Name, before: Standing, after: Standing, by: string) => void = () => {}

  constructor(isConditional = true) {
    this.#isConditional = isConditional
  }

  at(name: Name): Standing {
    return this.#standing.get(name) ?? nothing
  }

  names(): Iterable<Name> {
    return this.#standing.keys()
  }

  text(): string {
    return [...this.#standing]
      .map(([name, standing]) => `${name}=${JSON.stringify(standing)}`)
      .sort()
      .join('\n')
  }

  /** One step for all names of a reading, and one for each change: a batch is many transactions. */
  of(self: Self): Provider {
    return {
      guarantee: 'atomic-conditional',
      read: (_zone, names) =>
        self.wait(`read ${names.join(' ')}`, () => {
          const value = names.map((name): Reading => ({ kind: 'published', published: { name, ...this.at(name) } }))
          return { value, told: hashed(JSON.stringify(value)) }
        }),
      write: async (_zone, changes) => {
        const outcomes: WriteOutcome[] = []
        for (const { name, expected, answer, marker } of changes)
          outcomes.push(
            await self.wait(`write ${name} ${hashed(JSON.stringify([expected, answer, marker]))}`, () => {
              const isSame = this.#isSame(name, expected)
              if (!isSame && this.#isConditional)
                return { value: { kind: 'conflict', reason: 'not what was read' } as WriteOutcome, told: 'conflict' }
              this.#set(name, standingOf(answer, marker), self.id)
              return { value: { kind: 'accepted' } as WriteOutcome, told: 'accepted' }
            }),
          )
        return outcomes
      },
    }
  }

  #isSame(name: Name, { name: _, ...expected }: Published): boolean {
    const { marker, addresses, alias } = this.at(name)
    return (
      JSON.stringify([marker, [...addresses].sort(), alias]) ===
      JSON.stringify([expected.marker, [...expected.addresses].sort(), expected.alias])
    )
  }

  #set(name: Name, after: Standing, by: string): void {
    const before = this.at(name)
    this.#standing.set(name, after)
    this.onChange(name, before, after, by)
  }
}

function standingOf(answer: Answer, marker: Marker): Standing {
  const strings = [markerStrings(marker)]
  if (answer.kind === 'retired') return { marker: strings, addresses: [], alias: null, ttl: null }
  if (answer.kind === 'alias') return { marker: strings, addresses: [], alias: answer.target, ttl: answer.ttl }
  return {
    marker: strings,
    addresses: answer.addresses.map(({ address }) => address).sort(),
    alias: null,
    ttl: answer.ttl,
  }
}

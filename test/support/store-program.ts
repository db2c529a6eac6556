/**
 * A program that uses a store from a process of its own, for tests: `node store-program.ts ROLE PATH ARGS`.
 * It prints lines, each at once and by itself, so that what was printed before a kill is all there. It ends with its parent.
 */
import { writeSync } from 'node:fs'
import { open } from 'lmdb'
import { assert } from '../../src/base/assert.ts'
import { fromUtf8, utf8 } from '../../src/base/bytes.ts'
import { isProblem } from '../../src/base/problem.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { type Commit, never, type Revision, type Store, type Write } from '../../src/store/store.ts'

const say = (line: string) => void writeSync(1, `${line}\n`)

async function openStore(path: string): Promise<Store> {
  const store = await openLmdbStore({ path })
  assert(!isProblem(store), `expected a store at ${path}, found ${JSON.stringify(store)}`)
  return store
}

function revisionOf(commit: Commit): Revision {
  assert(commit.kind === 'committed', `expected a commit, found ${JSON.stringify(commit)}`)
  return commit.revision
}

const put = (key: string, value: Uint8Array): Write => ({ kind: 'put', key, value })

const roles: Record<string, (path: string, ...args: string[]) => Promise<void>> = {
  /** Adds one to `counter` by compare-and-set until it has won `times`; prints the numbers that it wrote. */
  async increment(path, times) {
    const store = await openStore(path)
    const won: number[] = []
    while (won.length < Number(times)) {
      const entry = await store.get('counter')
      const next = entry === undefined ? 1 : Number(fromUtf8(entry.value)) + 1
      const compare = { key: 'counter', revision: entry?.revision ?? never }
      const outcome = await store.commit([compare], [put('counter', utf8(String(next)))])
      if (outcome.kind === 'committed') won.push(next)
      else assert(outcome.kind === 'conflict', `expected a commit or a conflict, found ${JSON.stringify(outcome)}`)
    }
    say(won.join(' '))
    await store.close()
  },

  /** Writes `count` keys under `w/<name>/`, one commit each, with the time before the commit, and pauses between them. */
  async write(path, name, count, pauseMs) {
    const store = await openStore(path)
    for (let i = 0; i < Number(count); i++) {
      if (pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)))
      revisionOf(await store.commit([], [put(`w/${name}/${i}`, utf8(String(process.hrtime.bigint())))]))
    }
    await store.close()
  },

  /** Prints `ready`, then each key under `w/` that it is woken for, with the microseconds since its commit began. */
  async watch(path) {
    const store = await openStore(path)
    let after = (await store.range('w/')).revision
    say('ready')
    for (;;) {
      const found = await store.watch('w/', after, 60_000)
      const now = process.hrtime.bigint()
      after = found.revision
      if (found.kind === 'compacted') say('compacted')
      if (found.kind !== 'changed') continue
      for (const key of found.keys) {
        const began = BigInt(fromUtf8((await store.get(key))?.value ?? utf8('0')))
        say(`${key} ${(now - began) / 1000n}`)
      }
    }
  },

  /**
   * Commits 1, 2, 3 ...: each writes `log/<name>/<n>` and the same bytes to five keys `whole/<name>/<i>`. Prints n
   * as soon as it is acknowledged.
   */
  async log(path, name) {
    const store = await openStore(path)
    for (let n = 1; ; n++) {
      const value = new Uint8Array(((n * 7919) % 30_000) + 8).fill(n)
      new DataView(value.buffer).setUint32(0, n)
      const parts = Array.from({ length: 5 }, (_, i) => put(`whole/${name}/${i}`, value))
      revisionOf(await store.commit([], [put(`log/${name}/${n}`, utf8('')), ...parts]))
      say(String(n))
    }
  },

  /** Takes LMDB's lock for writing, prints `locked`, and keeps it. */
  async lock(path) {
    const db = open({ path, noSubdir: false, overlappingSync: false })
    db.transactionSync(() => {
      say('locked')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })
  },
}

const [role = '', path = '', ...args] = process.argv.slice(2)
process.stdin.on('end', () => process.exit()).resume()
process.stdin.unref?.()
await roles[role]?.(path, ...args)
process.exit()

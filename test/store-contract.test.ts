import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { assert } from '../src/base/assert.ts'
import { isProblem } from '../src/base/problem.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { type Commit, never, type Write } from '../src/store/store.ts'
import { memoryStore } from './support/memory-store.ts'
import { storeContract } from './support/store-contract.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-store-'))
let stores = 0
afterAll(() => rmSync(directory, { recursive: true, force: true }))

storeContract('memory', async (options) => {
  const store = memoryStore(options)
  return { store, another: async () => store.another() }
})

storeContract('lmdb', async (options) => {
  const path = join(directory, `${stores++}`)
  const another = async () => {
    const store = await openLmdbStore({ path, ...options })
    assert(!isProblem(store), `expected a store at ${path}, found ${JSON.stringify(store)}`)
    return store
  }
  const store = await another()
  return {
    store,
    another,
    async reopen() {
      await store.close()
      return another()
    },
  }
})

describe('the store in memory can be told to fail', () => {
  const put: Write = { kind: 'put', key: 'a', value: new Uint8Array() }
  const lost: Commit = { kind: 'unknown', reason: 'the answer was lost' }

  test('before the commit was made, or after', async () => {
    const outcomes: ((apply: () => Commit) => Commit | undefined)[] = [
      () => lost,
      (apply) => {
        apply()
        return lost
      },
      () => undefined,
    ]
    const store = memoryStore({ onCommit: (_, __, apply) => outcomes.shift()?.(apply) })
    expect([await store.commit([], [put]), await store.get('a')]).toEqual([lost, undefined])
    expect([await store.commit([], [put]), await store.get('a')]).toMatchObject([lost, { revision: 1 }])
    expect(await store.commit([], [put])).toEqual({ kind: 'committed', revision: 2 })
  })

  test('a watch ends when the sleep that it was given ends', async () => {
    let wakeUp = () => {}
    const asked: number[] = []
    const sleep = (ms: number) => {
      asked.push(ms)
      return new Promise<void>((resolve) => {
        wakeUp = resolve
      })
    }
    const watching = memoryStore({ sleep }).watch('a', never, 5000)
    wakeUp()
    expect([await watching, asked]).toEqual([{ kind: 'quiet', revision: 0 }, [5000]])
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { assert } from '../src/base/assert.ts'
import { isProblem } from '../src/base/problem.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
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

import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PolicyReading } from '../model/policy.ts'
import { policySourceOf } from './source.ts'

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-source-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const text = (owner: string) =>
  `owner: ${owner}\nkeys: { k: { secret: { env: HOLDFAST_ABSENT } } }\nserver: {}\nzones: { example.test: {} }\nendpoints: { a.example.test: { addresses: 192.0.2.1 } }\nendpointsFrom: more.txt\n`
const owner = (reading: PolicyReading) => (reading.kind === 'policy' ? reading.policy.owner : reading.kind)

test('follows the file, reads it only when it changed, and says so when it is not usable', async () => {
  const path = join(home, 'holdfast.yaml')
  const more = join(home, 'more.txt')
  const source = policySourceOf(path, {})
  const missing = await source.read()
  expect(missing).toMatchObject({ kind: 'unreadable', problems: [{ found: 'none of that name' }] })

  writeFileSync(more, '')
  writeFileSync(path, text('one'))
  const first = await source.read()
  expect(owner(first)).toBe('one')
  expect(await source.read()).toBe(first)

  // Of the same size, in the same millisecond or not: the inode or the time tells.
  writeFileSync(`${path}.new`, text('two'))
  renameSync(`${path}.new`, path)
  const second = await source.read()
  expect(owner(second)).toBe('two')

  // Half written: the caller goes on with what it has.
  writeFileSync(path, text('three').slice(0, -60))
  const half = await source.read()
  expect(owner(half)).toBe('unreadable')
  expect(await source.read()).toBe(half)

  writeFileSync(path, text('four'))
  expect(owner(await source.read())).toBe('four')

  // Files of endpoints count as well.
  const before = await source.read()
  writeFileSync(more, 'b.example.test 5 alias a.example.test\n')
  const after = await source.read()
  if (before.kind !== 'policy' || after.kind !== 'policy') throw new Error('expected policies')
  expect([before.policy.endpoints.size, after.policy.endpoints.size]).toEqual([1, 2])
  expect(after.policy.digest).not.toBe(before.policy.digest)

  // A touch alone is another reading of the same policy.
  utimesSync(path, new Date(), new Date(Date.now() + 5_000))
  const touched = await source.read()
  expect(touched).not.toBe(after)
  expect(touched.kind === 'policy' && touched.policy.digest).toBe(after.policy.digest)
  expect(touched.kind === 'policy' && touched.modified > after.modified).toBe(true)

  rmSync(more)
  expect(owner(await source.read())).toBe('unreadable')
})

import { describe, expect, test } from 'vitest'
import { readLeases } from './leases.ts'
import { type LeasesShape, leases } from './leases-shape.ts'
import { pathText } from './problems.ts'
import { durationMs, readAddress } from './units.ts'

const statement = 'UPDATE lease SET epoch = $2 WHERE id = $1 AND epoch < $2'
const postgres = { url: { env: 'HOLDFAST_URL' }, statement }
const whole = { token: { env: 'HOLDFAST_FLEET' }, dependency: { postgres } }

/** What is wrong with it, each with its place; or the section. */
function read(section: object) {
  const said: { readonly at: string; readonly expected: string; readonly found: string; readonly todo: string }[] = []
  const parsed = leases.safeParse(section)
  if (!parsed.success) return { shape: parsed.error.issues.map(({ path }) => path.join('.')), said }
  const config = readLeases(parsed.data as LeasesShape, {
    report: (where, expected, found, todo) => void said.push({ at: pathText(where), expected, found, todo }),
    address(text) {
      const reading = readAddress(text)
      return reading.kind === 'address' ? reading.address : undefined
    },
    duration(text, path, least, most, words) {
      const ms = durationMs(text)
      if (ms !== undefined && ms >= least && ms <= most) return ms
      said.push({ at: pathText(path), expected: words, found: text, todo: 'correct it' })
      return undefined
    },
  })
  return { config, said }
}

describe('the section leases', () => {
  test('needs little', () => {
    const { config, said } = read(whole)
    expect(said).toEqual([])
    expect(config).toMatchObject({
      listen: [{ host: '127.0.0.1', port: 9660 }],
      hostsMax: 100_000,
      ttlMs: null,
      renewals: 'memory',
      dependency: { kind: 'postgres', connections: 64, ready: 16, timeoutMs: 2_000 },
      downstream: null,
    })
  })

  test.each([
    [{ dependency: {} }, 'leases.dependency'],
    [{ dependency: { postgres, store: true } }, 'leases.dependency'],
    [{ downstream: {} }, 'leases.downstream'],
    [{ listen: '0.0.0.0:9660' }, 'leases.listen'],
    [{ listen: ['127.0.0.1:1', '127.0.0.1:1'] }, 'leases.listen[1]'],
    [{ token: {} }, 'leases.token'],
    [{ takeOver: '10ms' }, 'leases.takeOver'],
    [{ ttl: '2s' }, 'leases.ttl'],
    [
      { dependency: { postgres: { ...postgres, statement: 'UPDATE lease SET epoch = $2' } } },
      'leases.dependency.postgres.statement',
    ],
    [
      { dependency: { postgres: { ...postgres, statement: `${statement} AND $4` } } },
      'leases.dependency.postgres.statement',
    ],
    [{ dependency: { postgres: { ...postgres, connections: 8, ready: 9 } } }, 'leases.dependency.postgres.ready'],
    [{ dependency: { http: { url: 'http://user:secret@127.0.0.1/' } } }, 'leases.dependency.http.url'],
    [{ dependency: { store: true, timeout: '2h' } }, 'leases.dependency.timeout'],
  ])('is refused, and says where: %j', (changes, at) => {
    const { config, said } = read({ ...whole, ...changes })
    expect(config).toBeUndefined()
    expect(said.map((one) => one.at)).toContain(at)
    expect(JSON.stringify(said)).not.toContain('secret@')
  })

  test('a statement that does not compare epochs is told what happens', () => {
    const { said } = read({
      ...whole,
      dependency: { postgres: { ...postgres, statement: 'DELETE FROM lease WHERE id = $1' } },
    })
    expect(said[0]).toMatchObject({ found: 'no $2', todo: expect.stringContaining('a manager that was late') })
  })
})

describe('a fleet that does not fit', () => {
  test('for the front door: hosts, interval and what it answers', () => {
    const { said } = read({ ...whole, hostsMax: 1_000_000, ttl: '1m' })
    expect(said).toHaveLength(1)
    expect(said[0]).toMatchObject({
      at: 'leases.ttl',
      expected: 'at most 20,000 reports/s, which the front door answers',
      found: expect.stringContaining('50,000 reports/s'),
      todo: expect.stringContaining('150 s'),
    })
  })

  test('for the dependency: E_max = capacity x interval / work of a renewal', () => {
    const changes = { ttl: '1m', capacity: 2_500, renewals: { units: 0.5 } }
    expect(read({ ...whole, hostsMax: 99_999, ...changes }).said).toEqual([])
    const { said } = read({ ...whole, hostsMax: 100_000, ...changes })
    expect(said[0]?.expected).toContain('2500/s x 20 s / 0.5')
    expect(said[0]?.expected).toContain('100,000')
  })

  test('fits when its time to live is reckoned', () => {
    expect(read({ ...whole, hostsMax: 1_000_000 }).said).toEqual([])
  })
})

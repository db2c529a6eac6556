/** Settings of a server with one zone, `example.test.`, and one key, from the little that differs between tests. */
import { readFileSync } from 'node:fs'
import { TsigKey } from '../../src/dns/tsig.ts'
import type { Name } from '../../src/model/name.ts'
import { defaultSoa, type ServerLimits, type ServerSettings } from '../../src/serve/settings.ts'
import { wire } from './serve.ts'

export interface TestSettings {
  readonly dir: string
  /** 0, a free one, when absent. */
  readonly port?: number
  readonly host?: string
  readonly records?: string
  /** A file with more of them, where they are too many for an argument. */
  readonly recordsFile?: string
  readonly ns?: readonly string[]
  readonly limits?: Partial<ServerLimits>
}

export const secret = Buffer.from('a secret that is for tests only').toString('base64')
export const keyText = `hmac-sha256:holdfast-test.:${secret}`
export const testKey = new TsigKey({
  name: wire('holdfast-test.'),
  algorithm: 'hmac-sha256',
  secret: Buffer.from(secret, 'base64'),
})
/** A key that the server knows and that may do nothing. */
export const otherKey = new TsigKey({ name: wire('other.'), algorithm: 'hmac-sha512', secret: Buffer.alloc(64, 7) })

export function testSettings({
  dir,
  port = 0,
  host = '127.0.0.1',
  records = '',
  recordsFile,
  ns,
  limits = {},
}: TestSettings): ServerSettings {
  const [first = 'ns1.example.test.', ...others] = ns ?? []
  return {
    listen: [{ host, port }],
    dir,
    keys: new Map([testKey, otherKey].map((key) => [key.name, key])),
    limits,
    zones: [
      {
        name: 'example.test.' as Name,
        keys: [testKey.name],
        soa: { mname: 'ns1.example.test.' as Name, rname: 'hostmaster.example.test.' as Name, ...defaultSoa },
        ns: [first as Name, ...(others as Name[])],
        records: `ns1 3600 IN A 127.0.0.1\n${records}${recordsFile === undefined ? '' : readFileSync(recordsFile, 'utf8')}`,
      },
    ],
  }
}

/** Reads the DNS conformance data that lies beside a checkout, if it is there. Nothing of it is kept in the repository. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, test } from 'vitest'
import { readMaster } from '../../src/dns/master.ts'
import type { ResourceRecord } from '../../src/dns/message.ts'
import { fold, nameFromText, nameToText, root, type WireName } from '../../src/dns/name.ts'
import { rdataToText } from '../../src/dns/rdata.ts'
import { typeText } from '../../src/dns/types.ts'

export const conformanceFolder = join(import.meta.dirname, '..', '..', '..', 'shared', 'conformance')

/** `describe`, for suites that read the data; skipped, saying so, where the data is absent. */
export function describeConformance(name: string, suite: () => void): void {
  if (existsSync(conformanceFolder)) describe(name, suite)
  // Not describe.skip: that would run the body of the suite, which reads the data, to find its tests.
  else test.skip(`${name} (the conformance data is not beside this checkout: ${conformanceFolder})`)
}

export function rows<Row>(file: string): Row[] {
  const bytes = readFileSync(join(conformanceFolder, file))
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row)
}

export function document<Content>(file: string): Content {
  return JSON.parse(readFileSync(join(conformanceFolder, file), 'utf8')) as Content
}

/** Types whose rdata gets the suffix, and which of its words are names. */
const nameWords: Readonly<Record<string, readonly number[]>> = {
  NS: [0],
  CNAME: [0],
  DNAME: [0],
  SOA: [0, 1],
  MX: [1],
  SRV: [3],
  PTR: [0],
  SVCB: [1],
  HTTPS: [1],
  NAPTR: [5],
}

const suffixed = (name: string, suffix: string): string => (name === '.' ? suffix : `${name}${suffix}`)

/** A line of zone text with every name put below `suffix` (`''`: as it is). */
export function lineWithSuffix(line: string, suffix: string): string {
  if (suffix === '') return line
  const [owner = '', ttl = '', klass = '', type = '', ...words] = line.trim().split(/\s+/)
  // A root target outside NS, CNAME, DNAME and SOA means "none".
  const keepRoot = !['NS', 'CNAME', 'DNAME', 'SOA'].includes(type)
  for (const index of nameWords[type] ?? []) {
    const word = words[index]
    if (word !== undefined && !(word === '.' && keepRoot)) words[index] = suffixed(word, suffix)
  }
  const rdata =
    nameWords[type] === undefined ? line.slice(line.indexOf(type, line.indexOf(klass)) + type.length) : words.join(' ')
  return [suffixed(owner, suffix), ttl, klass, type, rdata].join(' ')
}

export const nameWithSuffix = (name: string, suffix: string): WireName =>
  nameFromText(suffix === '' ? name : suffixed(name, suffix)) as WireName

export function recordsFrom(lines: readonly string[], suffix: string): readonly ResourceRecord[] {
  const read = readMaster(lines.map((line) => lineWithSuffix(line, suffix)).join('\n'), { origin: root })
  if ('kind' in read) throw new Error(JSON.stringify(read.problems))
  return read
}

/** Equal texts, equal records: case of names and order of words do not matter. */
export const recordText = ({ name, ttl, type, data }: ResourceRecord): string =>
  `${nameToText(fold(name))} ${ttl} ${typeText(type)} ${rdataToText(type, data)}`.toLowerCase()

export const setText = (records: readonly ResourceRecord[]): string =>
  [...new Set(records.map(recordText))].sort().join('\n')

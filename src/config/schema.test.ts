import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { describeProblem } from '../base/problem.ts'
import { loadConfig } from './config.ts'
import { jsonSchema } from './schema.ts'
import { readYaml } from './yaml.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const published = join(root, 'holdfast.schema.json')

test('the published JSON Schema is this one', () => {
  const text = `${JSON.stringify(jsonSchema(), null, 2)}\n`
  expect(text === readFileSync(published, 'utf8'), 'make it anew: holdfast config schema > holdfast.schema.json').toBe(
    true,
  )
})

test('editors show help for every field', () => {
  const without: string[] = []
  const visit = (schema: unknown, path: string) => {
    if (typeof schema !== 'object' || schema === null) return
    const {
      properties = {},
      additionalProperties,
      items,
      anyOf = [],
    } = schema as Record<string, object> & { anyOf?: unknown[] }
    for (const [name, property] of Object.entries(properties)) {
      if (!('description' in property)) without.push(`${path}.${name}`)
      visit(property, `${path}.${name}`)
    }
    visit(additionalProperties, `${path}.*`)
    visit(items, `${path}[]`)
    for (const one of anyOf as unknown[]) visit(one, path)
  }
  visit(jsonSchema(), '')
  expect(without).toEqual([])
})

describe.each(['quickstart', 'bind', 'haproxy'])('the example %s', (name) => {
  const path = join(root, 'examples', name, 'holdfast.yaml')
  test('is right, without a warning', () => {
    const loaded = loadConfig(path, { HOLDFAST_TSIG_SECRET: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' })
    expect((loaded.kind === 'problems' ? loaded.problems : loaded.warnings).map(describeProblem)).toEqual([])
  })
  test('is right by the JSON Schema too, which refuses what is misspelt', () => {
    const yaml = readYaml(path, readFileSync(path, 'utf8'))
    if (!('kind' in yaml)) throw new Error('expected YAML')
    const schema = z.fromJSONSchema(JSON.parse(readFileSync(published, 'utf8')))
    const value = JSON.parse(JSON.stringify(yaml.value))
    expect(schema.safeParse(value).error?.issues ?? []).toEqual([])
    expect(schema.safeParse({ ...value, endponts: {} }).success).toBe(false)
    expect(schema.safeParse({ ...value, owner: 'two words' }).success).toBe(false)
  })
})

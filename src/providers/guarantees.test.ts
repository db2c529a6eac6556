import { expect, test } from 'vitest'
import { guaranteeTexts, providerFacts } from './guarantees.ts'

test('what is supported was tried, and every fact has an id of its own', () => {
  expect(new Set(providerFacts.map(({ id }) => id)).size).toBe(providerFacts.length)
  for (const { id, supported, evidence, guarantee } of providerFacts) {
    expect(supported ? evidence : 'tried', id).toBe('tried')
    expect(guaranteeTexts[guarantee]).toBeDefined()
  }
})

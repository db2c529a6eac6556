import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { utf8 } from '../base/bytes.ts'
import type { EpochMs } from '../world/world.ts'
import { type PrometheusSource, pathOf, readSample, sourceText } from './prometheus.ts'

const now = 1_700_000_000_000 as EpochMs
const read = (answer: unknown, status = 200) =>
  readSample({ status, body: utf8(typeof answer === 'string' ? answer : JSON.stringify(answer)) }, now, 60_000)
const vector = (...values: readonly (readonly [number, unknown])[]) => ({
  status: 'success',
  data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value })) },
})
const seconds = now / 1_000

describe('an answer of Prometheus', () => {
  test('of one sample is a number and its time', () => {
    expect(read(vector([seconds - 3.5, '42.5']))).toEqual({ kind: 'sample', value: 42.5, at: now - 3_500 })
    expect(read(vector([seconds + 4, '0']))).toEqual({ kind: 'sample', value: 0, at: now })
    expect(read({ status: 'success', data: { resultType: 'scalar', result: [seconds, '1e3'] } })).toMatchObject({
      value: 1_000,
    })
  })

  test.each([
    ['nothing', vector(), 'expected one sample, found none; use sum() in the query'],
    ['several', vector([seconds, '1'], [seconds, '2']), 'expected one sample, found 2; use sum() in the query'],
    ['not a number', vector([seconds, 'NaN']), 'expected a number of 0 or more, found "NaN"'],
    ['infinite', vector([seconds, '+Inf']), 'expected a number of 0 or more, found "+Inf"'],
    ['negative', vector([seconds, '-1']), 'expected a number of 0 or more, found "-1"'],
    ['empty', vector([seconds, '']), 'expected a number of 0 or more, found ""'],
    ['old', vector([seconds - 61, '1']), 'expected a sample of the last 60 s, found 61 s'],
    ['of the future', vector([seconds + 6, '1']), 'expected a sample of now, found one 6 s ahead'],
    [
      'a matrix',
      { status: 'success', data: { resultType: 'matrix', result: [] } },
      'expected a vector or a scalar, found matrix',
    ],
    ['no JSON', '<html>', 'expected JSON with status 200, found status 200 and no JSON'],
    ['null', 'null', 'expected success, found status 200'],
    ['a number as a number', vector([seconds, 1]), 'expected a time and a value, found something else'],
  ])('that is %s is not used', (_what, answer, why) => {
    expect(read(answer)).toEqual({ kind: 'none', why })
  })

  test('that is an error says it, on one line', () => {
    const error = {
      status: 'error',
      errorType: 'bad_data',
      error: `invalid parameter "query": 1:3:\n parse error ${'x'.repeat(500)}`,
    }
    const sample = read(error, 400)
    expect(sample).toMatchObject({
      why: expect.stringMatching(/^expected success, found status 400: invalid parameter "query": 1:3: {2}parse/),
    })
    expect(JSON.stringify(sample).length).toBeLessThan(250)
  })

  test('whatever it is, does not throw, and is never a number that cannot be', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.tuple(fc.double(), fc.string()).map((pair) => JSON.stringify(vector(pair))),
        ),
        (text) => {
          const sample = read(text)
          if (sample.kind === 'sample')
            expect(sample.value >= 0 && Number.isFinite(sample.value) && sample.at <= now).toBe(true)
        },
      ),
    )
  })
})

test('a question is encoded', () => {
  const source: PrometheusSource = {
    kind: 'prometheus',
    address: { host: '::1', port: 9090 },
    query: 'sum(a{b="c&d"})',
    everyMs: 15_000,
    maxAgeMs: 60_000,
    path: '/prom',
  }
  expect(pathOf(source, 5_000)).toBe(
    '/prom/api/v1/query?query=sum%28a%7Bb%3D%22c%26d%22%7D%29&timeout=5s&lookback_delta=60s',
  )
  expect(sourceText(source)).toBe('prometheus [::1]:9090')
})

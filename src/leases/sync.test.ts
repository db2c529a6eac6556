import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isProblem } from '../base/problem.ts'
import { idle, running } from '../recover/classes.ts'
import { hostsAtMost, parseSync, replyText } from './sync.ts'

const host = { id: 'host-1', bootId: 'b1', epoch: 7 }
const found = (body: unknown) => {
  const parsed = parseSync(JSON.stringify(body))
  return isProblem(parsed) ? parsed.at : parsed
}

describe('a report', () => {
  test('of one host, and of a rack', () => {
    expect(found(host)).toEqual([{ ...host, proof: '', klass: running, site: '' }])
    expect(found({ hosts: [{ ...host, class: 'idle', site: 'south' }, host] })).toMatchObject([
      { klass: idle, site: 'south' },
      { klass: running },
    ])
  })

  test('leaves what it does not know to later versions', () => {
    expect(found({ ...host, digest: 'x', later: { a: 1 } })).toMatchObject([host])
  })

  test.each([
    [[], 'body'],
    [7, 'body'],
    [{}, 'body.id'],
    [{ ...host, id: '' }, 'body.id'],
    [{ ...host, id: 'a"b' }, 'body.id'],
    [{ ...host, id: 'é' }, 'body.id'],
    [{ ...host, id: 'a'.repeat(129) }, 'body.id'],
    [{ ...host, bootId: 7 }, 'body.bootId'],
    [{ ...host, epoch: -1 }, 'body.epoch'],
    [{ ...host, epoch: 1.5 }, 'body.epoch'],
    [{ ...host, epoch: 2 ** 53 }, 'body.epoch'],
    [{ ...host, epoch: '7' }, 'body.epoch'],
    [{ ...host, proof: 'short' }, 'body.proof'],
    [{ ...host, class: 'king' }, 'body.class'],
    [{ ...host, site: 'a b' }, 'body.site'],
    [{ hosts: [] }, 'hosts'],
    [{ hosts: {} }, 'hosts'],
    [{ hosts: Array(hostsAtMost + 1).fill(host) }, 'hosts'],
    [{ hosts: [host, null] }, 'hosts[1]'],
    [{ hosts: [host, { ...host, id: 5 }] }, 'hosts[1].id'],
  ])('is refused as a whole: %j at %s', (body, at) => {
    expect(found(body)).toBe(at)
  })

  test('never throws, and repeats little of what it was sent', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const parsed = parseSync(text)
        if (isProblem(parsed)) expect(parsed.found.length).toBeLessThanOrEqual(40)
      }),
    )
  })
})

test('a reply is JSON, whatever is in it', () => {
  const answer = { id: 'host-1', status: 'UNKNOWN' as const, epoch: 0, ttl: 0, pollAfterMs: 2000, reason: 'a "reason"' }
  const moved = {
    id: 'h',
    status: 'MOVED' as const,
    epoch: 1,
    ttl: 0,
    pollAfterMs: 1,
    to: 'http://127.0.0.1:1',
    proof: 'p',
  }
  expect(JSON.parse(replyText(5, 6, [answer, moved]))).toEqual({ now: 5, gen: 6, hosts: [answer, moved] })
})

import { afterEach, describe, expect, test } from 'vitest'
import { isProblem } from '../base/problem.ts'
import { type FrontDesk, type FrontDoor, openFrontDoor } from './front-door.ts'
import { refusalOf, retryAfterSeconds } from './guard.ts'

let door: FrontDoor | undefined
afterEach(async () => {
  await door?.close()
  door = undefined
})

let token = 'the-token-of-the-fleet'
const turned: string[] = []
const desk: FrontDesk = {
  answer: ({ id }) => ({ id, status: 'PENDING', epoch: 0, ttl: 0, pollAfterMs: 2_000 }),
  retryAfter: () => 7_200,
  gen: () => 3,
  work: () => ({ limit: 8, operations: { done: 5, refused: 0, failed: 2, timeout: 1 } }),
  turnedAway: (why) => void turned.push(why),
}

async function opened(
  changes: {
    readonly delayMs?: number
    readonly sockets?: number
    readonly now?: () => number
    readonly invitesDrills?: boolean
  } = {},
) {
  turned.length = 0
  const it = await openFrontDoor(
    {
      address: { host: '127.0.0.1', port: 0 },
      token: { kind: 'env', env: 'HOLDFAST_TOKEN' },
      secret: () => ({ kind: 'secret', text: token }),
      guarding: { delayMs: changes.delayMs ?? 5_000, sockets: changes.sockets ?? 100 },
      invitesDrills: changes.invitesDrills ?? false,
      now: changes.now ?? (() => performance.now()),
      wall: () => 1_700_000_000_000,
    },
    desk,
  )
  if (isProblem(it)) throw new Error(it.found)
  door = it
  return async (body: string, as = token, path = '/v1/sync') => {
    const reply = await fetch(`${it.url}${path}`, { method: 'POST', body, headers: { authorization: `Bearer ${as}` } })
    return { status: reply.status, retryAfter: reply.headers.get('retry-after'), text: await reply.text() }
  }
}

/** The loop shows that it runs every few hundredths of a second. */
async function eventuallyOk(post: (body: string) => Promise<{ readonly status: number }>) {
  for (let tries = 0; ; tries++) {
    const reply = await post(report)
    if (reply.status === 200 || tries > 100) return reply
  }
}

const report = JSON.stringify({ id: 'a', bootId: 'b', epoch: 0 })

describe('the front door', () => {
  test('answers at once', async () => {
    const post = await opened()
    const { status, text } = await post(report)
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({
      now: 1_700_000_000_000,
      gen: 3,
      hosts: [{ id: 'a', status: 'PENDING', epoch: 0, ttl: 0, pollAfterMs: 2_000 }],
    })
  })

  test('lets in who has the token, and from its change on who has the new one', async () => {
    let at = 0
    const post = await opened({ now: () => at, delayMs: Number.POSITIVE_INFINITY })
    expect((await post(report, 'another-token-altogether')).status).toBe(401)
    expect((await post(report)).status).toBe(200)
    const old = token
    token = 'a-new-token-of-the-fleet'
    at = 10_000
    expect((await post(report, old)).status).toBe(401)
    expect((await post(report)).status).toBe(200)
    expect(turned).toEqual(['token', 'token'])
  })

  test('refuses what is no report, and what is too large', async () => {
    const post = await opened()
    expect((await post('{"id":1}')).status).toBe(400)
    expect((await post(' '.repeat(256 * 1024 + 1))).status).toBe(413)
    expect((await post(report, token, '/v1/other')).status).toBe(404)
    expect((await post(report)).status).toBe(200)
    expect(turned).toEqual(['shape', 'large', 'path'])
  })

  test('invites drills only where it was told to, and says so only to who has the token', async () => {
    for (const invitesDrills of [false, true]) {
      await opened({ invitesDrills })
      const ask = (as: string) =>
        fetch(`${door?.url}/.well-known/holdfast-drill`, { headers: { authorization: `Bearer ${as}` } })
      const reply = await ask(token)
      const work = { limit: 8, operations: { done: 5, refused: 0, failed: 2, timeout: 1 } }
      const told = invitesDrills ? { allow: true, ...work } : { allow: false }
      expect([reply.status, await reply.json()]).toEqual([200, told])
      expect((await ask('another-token-altogether')).status).toBe(401)
      await door?.close()
    }
    door = undefined
  })

  test('that is late itself turns away, and says when to come again', async () => {
    // Each look at the clock is 100 ms after the last: whenever it was to run, it is late.
    let at = 0
    let step = 100
    const post = await opened({
      delayMs: 50,
      now: () => {
        at += step
        return at
      },
    })
    expect(await post(report)).toMatchObject({ status: 429, retryAfter: '8' })
    step = 0
    expect((await eventuallyOk(post)).status).toBe(200)
  })

  test('with too many connections says so to some of the others', async () => {
    const post = await opened({ sockets: 0 })
    expect(await post(report)).toMatchObject({ status: 503, retryAfter: '8' })
  })

  test('says which address it cannot have', async () => {
    await opened()
    const { port } = new URL((door as FrontDoor).url)
    const second = await openFrontDoor(
      {
        address: { host: '127.0.0.1', port: Number(port) },
        token: { kind: 'env', env: 'HOLDFAST_TOKEN' },
        secret: () => ({ kind: 'secret', text: token }),
        guarding: { delayMs: 50, sockets: 10 },
        now: () => 0,
        wall: () => 0,
      },
      desk,
    )
    expect(second).toMatchObject({ kind: 'problem', found: 'the port is in use by another program' })
  })
})

test('the guard knows late from early, and a moment from a second', () => {
  expect(refusalOf({ delayMs: 50, sockets: 5 }, 100, 50, 5)).toBeUndefined()
  expect(refusalOf({ delayMs: 50, sockets: 5 }, 101, 50, 5)).toBe('delay')
  expect(refusalOf({ delayMs: 50, sockets: 5 }, 0, 50, 6)).toBe('sockets')
  expect([0, 1, 1_000, 1_001].map(retryAfterSeconds)).toEqual([1, 1, 1, 2])
})

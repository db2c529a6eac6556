import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { httpWork } from './http-work.ts'
import { maskedText } from './masked.ts'
import type { Work } from './work.ts'

let server: Server | undefined
let work: Work | undefined
afterEach(async () => {
  await work?.close()
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
  server = undefined
})

async function dependency(listener: RequestListener): Promise<Work> {
  const its = createServer(listener)
  server = its
  await new Promise<void>((resolve) => its.listen(0, '127.0.0.1', resolve))
  const { port } = its.address() as AddressInfo
  work = httpWork({
    url: `http://127.0.0.1:${port}/grant`,
    bearer: () => ({ kind: 'secret', text: 'a-secret-of-the-call' }),
    connections: 4,
  })
  return work
}
const host = { id: 'host-1', site: 'south' }

describe('a call', () => {
  test('says whom, which epoch and how long', async () => {
    let seen: unknown
    const it = await dependency((request, response) => {
      let text = ''
      request.on('data', (chunk) => {
        text += chunk
      })
      request.on('end', () => {
        const { authorization, 'deadline-ms': deadline } = request.headers
        seen = { ...JSON.parse(text), authorization, deadline }
        response.end('{"epoch":7}')
      })
    })
    expect(await it.grant(host, 7, 900)).toEqual({ kind: 'done' })
    expect(seen).toEqual({
      host: 'host-1',
      site: 'south',
      epoch: 7,
      authorization: 'Bearer a-secret-of-the-call',
      deadline: '900',
    })
  })

  test.each([
    [204, '', 'done'],
    [200, 'not JSON', 'done'],
    [200, '{"epoch":6}', 'refused'],
    [200, '{"epoch":"7"}', 'refused'],
    [409, '', 'refused'],
    [404, '', 'refused'],
    [401, '', 'failed'],
    [429, '', 'failed'],
    [503, '', 'failed'],
    [302, '', 'failed'],
    [504, '', 'timeout'],
  ])('that is answered %i %s is %s', async (status, body, kind) => {
    const it = await dependency((_, response) => {
      response.statusCode = status
      response.end(body)
    })
    expect((await it.grant(host, 7, 2_000)).kind).toBe(kind)
  })

  test('that takes too long is cancelled on the other side', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<boolean>()
    const it = await dependency((request: IncomingMessage, response) => {
      request.resume()
      response.on('close', () => resolve(!response.writableFinished))
    })
    expect(await it.grant(host, 7, 100)).toMatchObject({ kind: 'timeout' })
    expect(await closed).toBe(true)
  })

  test('of which a reply never ends is cut', async () => {
    const it = await dependency((_, response) => {
      response.write('x'.repeat(100_000))
    })
    expect(await it.grant(host, 7, 2_000)).toMatchObject({ kind: 'failed' })
  })

  test('that nobody takes has failed', async () => {
    work = httpWork({ url: 'http://127.0.0.1:1/', bearer: null, connections: 1 })
    expect(await work.grant(host, 7, 1_000)).toMatchObject({ kind: 'failed' })
  })
})

test('what a library says is told without what is secret in it', () => {
  const url = 'postgres://fleet:p%40ssword@10.0.0.1/db'
  const said = `password "p@ssword" of fleet:p%40ssword is wrong for ${url}`
  expect(maskedText(said, url)).not.toMatch(/ssword"|p%40|10\.0\.0\.1/)
})

/** kill -9 of the server in the middle of a stream of updates: what was acknowledged is there, whole, after the restart. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDns } from '../src/dns/client.ts'
import { messageOf } from '../src/dns/message.ts'
import { aData, soaFields } from '../src/dns/rdata.ts'
import { Class, Rcode, Type } from '../src/dns/types.ts'
import { addRecord, deleteRrset, updateMessage } from '../src/dns/update.ts'
import { nodeWorld } from '../src/world/node.ts'
import { freePort } from './support/ports.ts'
import { wire } from './support/serve.ts'
import { testKey } from './support/serve-settings.ts'

const kills = 20
const world = nodeWorld({ id: 'crash', onTrace: () => {} })
let folder: string
let child: ChildProcess | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-crash-'))
})
afterAll(async () => {
  child?.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

/** Resolves when the server answers. */
async function startChild(port: number): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'support/serve-program.ts')
  const started = spawn(process.execPath, [program, JSON.stringify({ dir: join(folder, 'server'), port })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: started.stdout as NodeJS.ReadableStream })
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      const said = JSON.parse(line) as { event?: string; kind?: string }
      if (said.event === 'ready') resolve()
      if (said.kind === 'problem') reject(new Error(line))
    })
    started.once('close', () => reject(new Error('ended before it was ready')))
  })
  // What it goes on to say has to be read, or it would wait for a reader.
  return started
}

/** Two names that always change together, and how far they got. */
const change = (stream: number, step: number) => {
  const value = aData(`10.${stream}.${step >> 8}.${step & 255}`)
  const names = ['left', 'right'].map((side) => wire(`${side}${stream}.example.test.`))
  return updateMessage(
    0,
    wire('example.test.'),
    [],
    names.flatMap((name) => [deleteRrset(name, Type.A), addRecord(name, Type.A, 60, value)]),
  )
}

test(`${kills} kills: nothing acknowledged is lost, nothing is torn, the serial never falls`, async () => {
  const port = await freePort()
  const address = { host: '127.0.0.1', port }
  const streams = [0, 1, 2, 3]
  const acknowledged = streams.map(() => 0)
  const sent = streams.map(() => 0)
  let serial = 0
  let killedBusy = 0
  for (let round = 0; round < kills; round++) {
    child = await startChild(port)
    const connection = openDns(world, address, { key: testKey, timeoutMs: 3000 })
    const read = async (name: string, type: number) => {
      const outcome = await connection.exchange(messageOf({ questions: [{ name: wire(name), type, class: Class.IN }] }))
      if (outcome.kind === 'failure') throw new Error(outcome.detail)
      return outcome.message.answers.map(({ data }) => data)
    }
    for (const stream of streams) {
      const [left, right] = [
        await read(`left${stream}.example.test.`, Type.A),
        await read(`right${stream}.example.test.`, Type.A),
      ]
      expect(left).toEqual(right)
      const step = left[0] === undefined ? 0 : ((left[0][2] as number) << 8) | (left[0][3] as number)
      expect(step, `stream ${stream} after kill ${round}`).toBeGreaterThanOrEqual(acknowledged[stream] as number)
      expect(step).toBeLessThanOrEqual(sent[stream] as number)
      sent[stream] = step
    }
    const now = soaFields((await read('example.test.', Type.SOA))[0] as Uint8Array)?.serial ?? 0
    expect(now).toBeGreaterThanOrEqual(serial)
    serial = now

    let alive = true
    const writers = streams.map(async (stream) => {
      while (alive) {
        const step = (sent[stream] as number) + 1
        sent[stream] = step
        const outcome = await connection.exchange(change(stream, step))
        if (outcome.kind === 'failure' || outcome.message.rcode !== Rcode.NOERROR) return
        acknowledged[stream] = step
      }
    })
    const before = acknowledged.reduce((sum, step) => sum + step, 0)
    // Some updates have to have gone through; then at any moment.
    while (acknowledged.reduce((sum, step) => sum + step, 0) < before + 5 + round * 7)
      await new Promise((resolve) => setImmediate(resolve))
    child.kill('SIGKILL')
    await once(child, 'close')
    alive = false
    await Promise.all(writers)
    if (streams.some((stream) => (sent[stream] as number) > (acknowledged[stream] as number))) killedBusy++
    connection.close()
  }
  expect(killedBusy).toBeGreaterThan(kills / 2)
  expect(Math.min(...acknowledged)).toBeGreaterThan(kills)
})

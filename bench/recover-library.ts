/**
 * What a call through `holdfast/recover` costs, beside the function itself and a plain semaphore (what a package
 * such as p-limit is), and how much memory a waiting call takes. The function does nothing but come back later.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { governor } from '../src/recover/library/index.ts'

const quick = process.argv.includes('--quick')
const calls = quick ? 20_000 : 200_000
const rounds = quick ? 3 : 7
const atOnce = 64

const say = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(
    JSON.stringify({
      bench: 'recover-library',
      metric,
      value: Number(value.toPrecision(3)),
      unit,
      ...(against === undefined ? {} : { against, ratio: Number((ratio ?? 0).toPrecision(3)) }),
    }),
  )

/** As many at once as `limit`, the others in the order in which they came. */
function semaphore<Input, Output>(fn: (input: Input) => Promise<Output>, limit: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return async (input: Input): Promise<Output> => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    running++
    try {
      return await fn(input)
    } finally {
      running--
      waiting.shift()?.()
    }
  }
}

const work = async (input: number): Promise<number> => {
  await null
  return input
}

type Call = (input: number) => Promise<unknown>

const kinds: Readonly<Record<string, () => Call>> = {
  direct: () => work,
  semaphore: () => semaphore(work, atOnce),
  governor: () => governor((input: number) => work(input), { limitFirst: atOnce }),
  'governor with key': () => governor((input: number) => work(input), { limitFirst: atOnce, key: String }),
  'governor with signal': () =>
    governor((input: number, { signal }) => (signal.aborted ? Promise.resolve(0) : work(input)), {
      limitFirst: atOnce,
    }),
}

/** Microseconds a call, so many at once, each asking again when it is answered. */
async function measure(call: Call, width: number): Promise<number> {
  let left = calls
  const one = async () => {
    while (left-- > 0) await call(left)
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: width }, one))
  return ((performance.now() - startedAt) * 1000) / calls
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number

for (const width of [1, 32]) {
  const times = new Map<string, number[]>(Object.keys(kinds).map((name) => [name, []]))
  // In turns, so that a bad moment of the machine is everybody's.
  for (let round = 0; round < rounds; round++)
    for (const [name, make] of Object.entries(kinds)) times.get(name)?.push(await measure(make(), width))
  const of = (name: string) => median(times.get(name) as number[])
  for (const name of Object.keys(kinds))
    if (name.startsWith('governor'))
      say(`${name}, ${width} at once`, of(name), 'µs/call', 'semaphore', of('semaphore') / of(name))
    else say(`${name}, ${width} at once`, of(name), 'µs/call')
}

/** Bytes of heap and typed arrays for each of `count` calls that wait. */
async function memory(make: (never: Promise<void>) => Call, count: number): Promise<number> {
  const never = new Promise<void>(() => {})
  const call = make(never)
  await turn()
  globalThis.gc?.()
  const before = process.memoryUsage()
  const kept = Array.from({ length: count }, (_, i) => call(i).catch(() => {}))
  await turn()
  globalThis.gc?.()
  const after = process.memoryUsage()
  return (after.heapUsed + after.external - before.heapUsed - before.external + 0 * kept.length) / count
}

if (globalThis.gc !== undefined) {
  const waiting = 50_000
  const plain = await memory((never) => semaphore(() => never, 4), waiting)
  const governed = await memory(
    (never) => governor(() => never, { class: 'running', waitingMost: waiting, timeoutMs: 600_000 }) as Call,
    waiting,
  )
  say('semaphore, memory of a waiting call', plain, 'B')
  say('governor, memory of a waiting call', governed, 'B', 'semaphore', plain / governed)
}
const before = process.memoryUsage()
const idle = Array.from({ length: 10 }, () => governor(work))
globalThis.gc?.()
const after = process.memoryUsage()
say(
  'governor, memory when nothing waits',
  (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 1024 / idle.length,
  'KiB',
)
process.exit()

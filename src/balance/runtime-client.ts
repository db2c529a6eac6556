/**
 * One conversation with the runtime API: many commands in one write, as many answers back. Interactive
 * mode keeps the connection; without it HAProxy would close it after each line.
 */
import type { RuntimeAddress } from '../model/haproxy.ts'
import type { Failure, World } from '../world/world.ts'
import { interactive, linesOf } from './commands.ts'
import { ReplySplitter } from './replies.ts'
import type { RuntimeSocket, RuntimeStream } from './runtime-socket.ts'

export type Asked = Failure | { readonly kind: 'replies'; readonly replies: readonly string[] }

const connectMs = 2_000
/** An answer that has not ended grows at most to this. */
const pendingMax = 16 * 1024 * 1024
/** The first answer is empty; whoever says more than this before it is not HAProxy. */
const greetingMax = 4_096

export interface RuntimeClient {
  /** One answer for each command, in order, all within `timeoutMs`. After a failure the connection is closed. */
  ask(commands: readonly string[], timeoutMs: number): Promise<Asked>
  close(): void
}

/**
 * A socket that admits one at a time lets others wait, in a queue that has little room: the place in it is
 * kept, however long that takes. `onWaiting` is told when it takes longer than `firstMs`.
 */
export async function openRuntime(
  world: World,
  socket: RuntimeSocket,
  to: RuntimeAddress,
  firstMs: number,
  onWaiting: () => void = () => {},
): Promise<Failure | { readonly kind: 'client'; readonly client: RuntimeClient }> {
  const connected = await socket.connect(to, connectMs)
  if (connected.kind === 'failure') return connected
  const client = new Client(world, connected.stream)
  const first = await client.begin(firstMs, onWaiting)
  return first.kind === 'failure' ? first : { kind: 'client', client }
}

class Client implements RuntimeClient {
  readonly #world: World
  readonly #stream: RuntimeStream
  readonly #splitter = new ReplySplitter()

  constructor(world: World, stream: RuntimeStream) {
    this.#world = world
    this.#stream = stream
  }

  async begin(firstMs: number, onWaiting: () => void): Promise<Failure | { readonly kind: 'begun' }> {
    const outcome = await this.#begin(firstMs, onWaiting)
    if (outcome.kind === 'failure') this.close()
    return outcome
  }

  async #begin(firstMs: number, onWaiting: () => void): Promise<Failure | { readonly kind: 'begun' }> {
    const sent = await this.#stream.write(linesOf([interactive]))
    if (sent.kind === 'failure') return sent
    for (let answers = 0; answers === 0; ) {
      const read = await this.#stream.read(firstMs)
      if (read.kind === 'bytes') answers = this.#splitter.push(read.bytes).length
      else if (read.reason === 'timeout') onWaiting()
      else return read
      if (this.#splitter.pending > greetingMax)
        return failed('other', 'it speaks, but not as HAProxy’s runtime API does')
    }
    return { kind: 'begun' }
  }

  async ask(commands: readonly string[], timeoutMs: number): Promise<Asked> {
    const outcome = await this.#ask(commands, timeoutMs)
    // Answers that come late would be taken for those of the next commands.
    if (outcome.kind === 'failure') this.close()
    return outcome
  }

  async #ask(commands: readonly string[], timeoutMs: number): Promise<Asked> {
    const { clock } = this.#world
    const until = clock.now() + timeoutMs
    const sent = await Promise.race([
      this.#stream.write(linesOf(commands)),
      clock.sleep(timeoutMs).then(() => late(`${commands.length} commands were not taken in ${timeoutMs} ms`)),
    ])
    if (sent.kind === 'failure') return sent
    const replies: string[] = []
    while (replies.length < commands.length) {
      const leftMs = until - clock.now()
      if (leftMs <= 0) return late(`${replies.length} of ${commands.length} answers in ${timeoutMs} ms`)
      const read = await this.#stream.read(leftMs)
      if (read.kind === 'failure' && read.reason === 'timeout') continue
      if (read.kind === 'failure') return read
      replies.push(...this.#splitter.push(read.bytes))
      if (this.#splitter.pending > pendingMax) return failed('too-large', `an answer of more than ${pendingMax} bytes`)
    }
    if (replies.length > commands.length)
      return failed('other', `${commands.length} answers expected, ${replies.length} found: not HAProxy's runtime API`)
    return { kind: 'replies', replies }
  }

  close(): void {
    this.#stream.close()
  }
}

const failed = (reason: Failure['reason'], detail: string): Failure => ({ kind: 'failure', reason, detail })
const late = (detail: string): Failure => failed('timeout', detail)

/** What hosts and the manager say to each other over a connection that is kept: frames of 13 bytes. */
import type { Socket } from 'node:net'

/** A host's message: its attempt if it asks, the epoch of the lease it holds (0: none) if it reports. */
export const message = 0
/** Answers: `a` is the attempt, or the epoch; `b` when to report again, in ms. */
export const granted = 1
export const failed = 2
export const refused = 3
export const leased = 4
export const pending = 5

const bytes = 13

export type Receive = (type: number, host: number, a: number, b: number) => void

/** Frames of one turn of the event loop leave together. */
export class Frames {
  readonly socket: Socket
  #out: Buffer = Buffer.alloc(bytes * 256)
  #used = 0
  #rest = Buffer.alloc(0)

  constructor(socket: Socket, receive: Receive) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#read(chunk, receive))
  }

  send(type: number, host: number, a: number, b: number): void {
    if (this.#used === 0) setImmediate(() => this.#flush())
    if (this.#used + bytes > this.#out.length) this.#out = Buffer.concat([this.#out, Buffer.alloc(this.#out.length)])
    this.#out.writeUInt8(type, this.#used)
    this.#out.writeUInt32LE(host, this.#used + 1)
    this.#out.writeUInt32LE(a, this.#used + 5)
    this.#out.writeUInt32LE(b, this.#used + 9)
    this.#used += bytes
  }

  #flush(): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.from(this.#out.subarray(0, this.#used)))
    this.#used = 0
  }

  #read(chunk: Buffer, receive: Receive): void {
    const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (; at + bytes <= all.length; at += bytes)
      receive(all.readUInt8(at), all.readUInt32LE(at + 1), all.readUInt32LE(at + 5), all.readUInt32LE(at + 9))
    this.#rest = Buffer.from(all.subarray(at))
  }
}

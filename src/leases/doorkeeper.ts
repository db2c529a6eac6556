/** One token, for the whole fleet. Compared by digests, so that how long it takes tells nothing of it. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ReadSecret, SecretSource } from '../model/secret.ts'

export interface DoorkeeperOptions {
  readonly token: SecretSource
  readonly secret: ReadSecret
  /** Milliseconds on a clock that does not go back. */
  readonly now: () => number
}

/** Why the token cannot be used as it stands there now. */
export interface TokenTrouble {
  readonly why: string
  /** The one that was read before still counts; otherwise nobody is let in. */
  readonly isKept: boolean
}

/** The token is read again after this long. */
const tokenKeptMs = 2_000
const tokenPattern = /^[\x21-\x7e]{16,4096}$/

/**
 * A token that cannot be read for a while, as when its file is written anew, does not shut out a fleet: hosts that
 * are told that they are not known come again so late that their leases end.
 */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions
  #digest: Buffer | undefined
  #why = ''
  #readAt = Number.NEGATIVE_INFINITY
  #version = 0

  constructor(options: DoorkeeperOptions) {
    this.#options = options
  }

  /** Another number after the token changed. */
  version(): number {
    this.#refresh()
    return this.#version
  }

  /** By the token that was read last. */
  admits(header: string): boolean {
    this.#refresh()
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(header)?.[1]
    return token !== undefined && this.#digest !== undefined && timingSafeEqual(digestOf(token), this.#digest)
  }

  trouble(): TokenTrouble | undefined {
    this.#refresh()
    return this.#why === '' ? undefined : { why: this.#why, isKept: this.#digest !== undefined }
  }

  #refresh(): void {
    const at = this.#options.now()
    if (at - this.#readAt < tokenKeptMs) return
    this.#readAt = at
    const reading = this.#options.secret(this.#options.token)
    if (reading.kind === 'unreadable') this.#why = reading.why
    else if (!tokenPattern.test(reading.text)) this.#why = 'it has not 16 to 4096 printable characters without blanks'
    else {
      this.#why = ''
      const digest = digestOf(reading.text)
      if (this.#digest?.equals(digest) !== true) this.#version++
      this.#digest = digest
    }
  }
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** One question and its answer, without the network: what is sent, and whether what came back answers it. */
import type { Failure } from '../world/world.ts'
import { decodeMessage, encodeMessage, isMalformed, type Message } from './message.ts'
import { fold, nameToText } from './name.ts'
import { serverTime, signMessage, type TsigKey, verifyMessage } from './tsig.ts'
import { Opcode, Rcode, rcodeText } from './types.ts'

export interface Reply {
  readonly kind: 'reply'
  /** Verified, if the request was signed. Its RCODE may say anything. */
  readonly message: Message
}

/** Not an answer to what was sent: to be passed over, as a late or a forged one. */
export interface Stray {
  readonly kind: 'stray'
}

/** A request as it goes out, with what its reply is compared with. */
export interface Sealed {
  readonly bytes: Uint8Array
  readonly request: Message
  readonly signed: { readonly key: TsigKey; readonly mac: Uint8Array } | undefined
}

/** Encodes the request under `id`, and signs it if there is a key. */
export function seal(request: Message, id: number, key: TsigKey | undefined, timeSeconds: number): Sealed {
  const message = { ...request, id }
  const bytes = encodeMessage(message)
  if (key === undefined) return { bytes, request: message, signed: undefined }
  const signed = signMessage(bytes, key, { timeSeconds })
  return { bytes: signed.bytes, request: message, signed: { key, mac: signed.mac } }
}

/** The message id of anything that has one. */
export const idOf = (bytes: Uint8Array): number | undefined =>
  bytes.length < 12 ? undefined : ((bytes[0] as number) << 8) | (bytes[1] as number)

/**
 * Reads what came back. It has to be a reply with the request's id, opcode and question; an UPDATE or an error may come
 * without the question (RFC 2136 section 3.8, RFC 8906). A signed request takes nothing but a reply that is signed with
 * the same key: the failure's detail says what the other side complained of.
 */
export function readReply(bytes: Uint8Array, sealed: Sealed, nowSeconds: number): Reply | Stray | Failure {
  if (idOf(bytes) !== sealed.request.id) return { kind: 'stray' }
  const message = decodeMessage(bytes)
  if (isMalformed(message)) return failure(`expected a reply, found a malformed message: ${message.reason}`)
  if (!message.qr || message.opcode !== sealed.request.opcode || !sameQuestion(message, sealed.request))
    return { kind: 'stray' }
  if (sealed.signed === undefined) return { kind: 'reply', message }

  const { key, mac } = sealed.signed
  const findKey = (name: string) => (name === key.name ? key : undefined)
  const verdict = verifyMessage(bytes, findKey, { nowSeconds, requestMac: mac, message })
  const complaint = complaintOf(message, key)
  if (verdict.kind === 'valid' && complaint === undefined) return { kind: 'reply', message }
  const unsigned = `expected a reply signed with key ${nameToText(key.name)}, found ${rcodeText(message.rcode)} without a signature`
  return failure(complaint ?? (verdict.kind === 'invalid' ? `the reply does not verify: ${verdict.detail}` : unsigned))
}

function sameQuestion(reply: Message, request: Message): boolean {
  if (reply.questions.length === 0) return request.opcode === Opcode.UPDATE || reply.rcode !== Rcode.NOERROR
  if (reply.questions.length !== request.questions.length) return false
  return reply.questions.every((question, index) => {
    const asked = request.questions[index]
    return asked?.type === question.type && asked.class === question.class && fold(asked.name) === fold(question.name)
  })
}

/** What the other side's TSIG record says is wrong with the request. */
function complaintOf({ tsig }: Message, key: TsigKey): string | undefined {
  const name = nameToText(key.name)
  if (tsig === null) return undefined
  switch (tsig.error) {
    case 0:
      return undefined
    case Rcode.BADKEY:
      return `the server does not know key ${name} with ${key.algorithm}: give both sides the same key, and start them again (BADKEY)`
    case Rcode.BADSIG:
      return `the server holds another secret for key ${name}: give both sides the same key, and start them again (BADSIG)`
    case Rcode.BADTIME:
      return `the clocks differ too much: the server's says ${serverTime(tsig)} seconds since 1970, the request's said ${tsig.time}: set them (BADTIME)`
    default:
      return `the server refused the signature with key ${name}: ${rcodeText(tsig.error)}`
  }
}

const failure = (detail: string): Failure => ({ kind: 'failure', reason: 'other', detail })

/**
 * What `answer` hands off: signed messages, updates, transfers, NOTIFY. Takes octets and gives octets back, one message
 * or, for a transfer, several; sockets are elsewhere.
 */
import {
  decodeMessage,
  type Edns,
  ednsOf,
  encodeMessage,
  isMalformed,
  type Message,
  messageOf,
} from '../dns/message.ts'
import { fold, nameToText, type WireName } from '../dns/name.ts'
import { soaFields } from '../dns/rdata.ts'
import { type Invalid, signError, signMessage, type TsigKey, tsigSize, verifyMessage } from '../dns/tsig.ts'
import { Opcode, Rcode, rcodeText, Type } from '../dns/types.ts'
import { answer, handoff, lengthOf, rcodeOf } from './answer.ts'
import type { ServeTrace } from './events.ts'
import type { ServedZone, ServerLimits } from './settings.ts'
import type { Stats } from './stats.ts'
import type { Table } from './table.ts'
import { soaAlone, transferMessages } from './transfer.ts'
import { isAfter, updateZone } from './update.ts'
import type { Updated, Updater } from './updater.ts'
import type { Zone } from './zone.ts'

export interface RequestContext {
  readonly table: Table
  readonly updater: Updater
  readonly keys: ReadonlyMap<WireName, TsigKey>
  /** Apex in lower case: the keys that may update, transfer and read whole. */
  readonly allowed: ReadonlyMap<WireName, ReadonlySet<WireName>>
  readonly limits: ServerLimits
  readonly stats: Stats
  readonly trace: ServeTrace
  readonly random: () => number
  readonly nowSeconds: () => number
  /** On a clock that never goes back. */
  readonly nowMs: () => number
}

export function allowedKeys(
  zones: readonly ServedZone[],
  apexOf: (zone: ServedZone) => WireName,
): Map<WireName, Set<WireName>> {
  return new Map(zones.map((zone) => [apexOf(zone), new Set(zone.keys.map((key) => fold(key)))]))
}

export interface Requester {
  readonly tcp: boolean
  /** For reports. */
  readonly client: string
  /** Sends one message; resolves when there is room for the next. False: nobody listens any more. */
  send(reply: Uint8Array): true | Promise<boolean>
}

/** Answers one message that `answer` did not. */
export async function handleRequest(context: RequestContext, bytes: Uint8Array, requester: Requester): Promise<void> {
  const { keys, nowSeconds, stats } = context
  const message = decodeMessage(bytes)
  if (isMalformed(message)) {
    const { header } = message
    if (header === null || header.qr) return
    const rd = header.opcode === Opcode.QUERY && header.rd
    await requester.send(
      counted(
        stats,
        encodeMessage(messageOf({ id: header.id, qr: true, opcode: header.opcode, rd, rcode: Rcode.FORMERR })),
        Rcode.FORMERR,
      ),
    )
    return
  }
  const verdict = verifyMessage(bytes, (name) => keys.get(name), { nowSeconds: nowSeconds(), message })
  if (verdict.kind === 'invalid') {
    await requester.send(refuseSignature(context, message, verdict, requester.client))
    return
  }
  const sender: Sender = verdict.kind === 'valid' ? { key: verdict.key, mac: verdict.mac } : null
  const sign = (reply: Uint8Array) =>
    sender === null
      ? reply
      : signMessage(reply, sender.key, { timeSeconds: nowSeconds(), requestMac: sender.mac }).bytes
  if (message.opcode === Opcode.UPDATE) {
    const updated = await update(context, message, sender)
    stats.update(updated)
    await requester.send(sign(counted(stats, encodeMessage(updateReply(message, updated)), updated.rcode)))
    return
  }
  if (message.opcode === Opcode.NOTIFY) {
    const reply = messageOf({
      id: message.id,
      qr: true,
      opcode: Opcode.NOTIFY,
      questions: message.questions,
      rcode: Rcode.NOTAUTH,
    })
    await requester.send(sign(counted(stats, encodeMessage(reply), Rcode.NOTAUTH)))
    return
  }
  const type = message.questions[0]?.type
  if (sender !== null && (type === Type.AXFR || type === Type.IXFR)) await transfer(context, message, sender, requester)
  else {
    const reply = answerSigned(context, bytes, message, sender, requester.tcp)
    if (reply !== undefined) await requester.send(sign(reply))
  }
}

type Sender = { readonly key: TsigKey; readonly mac: Uint8Array } | null

function counted(stats: Stats, reply: Uint8Array, rcode: number): Uint8Array {
  stats.answered(rcode)
  return reply
}

function refuseSignature(context: RequestContext, message: Message, invalid: Invalid, client: string): Uint8Array {
  const { stats, trace, nowSeconds } = context
  const rcode = invalid.error === Rcode.FORMERR ? Rcode.FORMERR : Rcode.NOTAUTH
  stats.signatureRefused(client, invalid.detail, trace)
  const { id, opcode, questions } = message
  const reply = encodeMessage(messageOf({ id, qr: true, opcode, questions, rcode }))
  return signError(counted(stats, reply, rcode), invalid, nowSeconds())
}

/** A query whose signature is right: the same answer as to anybody, whole if the key may change the zone. */
function answerSigned(
  context: RequestContext,
  bytes: Uint8Array,
  message: Message,
  sender: Sender,
  tcp: boolean,
): Uint8Array | undefined {
  const { table, limits, random, stats } = context
  const unsigned = bytes.slice(0, message.tsig?.offset ?? bytes.length)
  if (message.tsig !== null) {
    const additional = ((unsigned[10] as number) << 8) + (unsigned[11] as number) - 1
    unsigned[10] = additional >> 8
    unsigned[11] = additional & 255
  }
  const [question] = message.questions
  const zone = question && table.zoneOf(fold(question.name))
  const whole = zone !== undefined && sender !== null && isAllowed(context, zone.apex, sender.key)
  const reserve = sender === null ? 0 : tsigSize(sender.key)
  const out = new Uint8Array(0xffff)
  const result = answer(table, unsigned, unsigned.length, { tcp, udpSize: limits.udpSize, reserve, whole, random }, out)
  if (result === handoff || lengthOf(result) === 0) return undefined
  stats.answered(rcodeOf(result))
  return out.subarray(0, lengthOf(result))
}

const isAllowed = ({ allowed }: RequestContext, apex: WireName, key: TsigKey): boolean =>
  allowed.get(apex)?.has(key.name) === true

async function update(context: RequestContext, message: Message, sender: Sender): Promise<Updated> {
  const { table, updater, trace } = context
  const refuse = (rcode: number, reason: string): Updated => {
    const zone = nameToText(message.questions[0]?.name ?? ('\0' as WireName))
    const key = sender === null ? '' : nameToText(sender.key.name)
    trace({ event: 'serve.update_refused', zone, key, rcode: rcodeText(rcode), reason, guard: '' })
    return { rcode, reason, guard: null }
  }
  if (sender === null)
    return { rcode: Rcode.REFUSED, reason: 'expected a signed update, found no signature', guard: null }
  const zone = updateZone(table, message)
  if ('rcode' in zone) return refuse(zone.rcode, zone.reason)
  if (!isAllowed(context, zone.apex, sender.key))
    return refuse(
      Rcode.REFUSED,
      `expected a key that may update ${nameToText(zone.apex)}, found ${nameToText(sender.key.name)}`,
    )
  return await updater.submit(message, nameToText(sender.key.name))
}

/** With the reason as extended error (RFC 8914), for a client that has EDNS. */
function updateReply({ id, questions, edns }: Message, { rcode, reason, guard }: Updated): Message {
  const error: Edns['options'] =
    reason === ''
      ? []
      : [{ code: 15, data: extendedError(guard === null ? 0 : 18, guard === null ? reason : `${guard}: ${reason}`) }]
  return messageOf({ id, qr: true, opcode: Opcode.UPDATE, questions, rcode, edns: edns && ednsOf({ options: error }) })
}

function extendedError(code: number, text: string): Uint8Array {
  const bytes = Buffer.from(text.slice(0, 255), 'utf8')
  return Uint8Array.of(code >> 8, code & 255, ...bytes)
}

/** Whether the client of an IXFR has this serial, or a later one (RFC 1995, section 2). */
function isCurrent(zone: Zone, { authorities }: Message): boolean {
  const [theirs] = authorities
  const serial = theirs?.type === Type.SOA ? soaFields(theirs.data)?.serial : undefined
  const ours = soaFields(zone.soa.datas[0] as Uint8Array)?.serial
  return serial !== undefined && ours !== undefined && !isAfter(ours, serial)
}

async function transfer(
  context: RequestContext,
  message: Message,
  sender: NonNullable<Sender>,
  requester: Requester,
): Promise<void> {
  const { table, stats, trace, limits, nowSeconds } = context
  const [question] = message.questions
  const key = fold(question?.name ?? ('\0' as WireName))
  const zone = table.zoneOf(key)
  let mac = sender.mac
  let continues = false
  const send = (reply: Uint8Array) => {
    const signed = signMessage(reply, sender.key, { timeSeconds: nowSeconds(), requestMac: mac, continues })
    mac = signed.mac
    continues = true
    return requester.send(signed.bytes)
  }
  const refuse = (rcode: number) =>
    send(
      counted(
        stats,
        encodeMessage(messageOf({ id: message.id, qr: true, questions: message.questions, rcode })),
        rcode,
      ),
    )
  if (zone === undefined || zone.apex !== key) return void (await refuse(Rcode.NOTAUTH))
  if (!isAllowed(context, zone.apex, sender.key)) return void (await refuse(Rcode.REFUSED))
  const isIncremental = question?.type === Type.IXFR
  if (!requester.tcp && !isIncremental) return void (await refuse(Rcode.FORMERR))
  if (isIncremental && (!requester.tcp || isCurrent(zone, message)))
    return void (await send(counted(stats, encodeMessage(soaAlone(zone, message)), Rcode.NOERROR)))
  if (stats.transfersRunning >= limits.transfers) return void (await refuse(Rcode.REFUSED))
  stats.transfersRunning++
  try {
    let records = 0
    for (const part of transferMessages(zone, message)) {
      records += part.records
      if (!(await send(part.bytes))) return
    }
    stats.answered(Rcode.NOERROR)
    trace({ event: 'serve.transferred', zone: nameToText(zone.apex), key: nameToText(sender.key.name), records })
  } finally {
    stats.transfersRunning--
  }
}

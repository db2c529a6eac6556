/**
 * Somebody outside who asks a server for names, by datagrams, as a resolver does: what it hears has to be what stood
 * there at some moment between its question and the reply.
 */
import { askUdp } from '../src/dns/client.ts'
import { messageOf } from '../src/dns/message.ts'
import { fold, nameFromText, nameToText, type WireName } from '../src/dns/name.ts'
import { ipFromData, nameFromData } from '../src/dns/rdata.ts'
import { Class, Rcode, Type } from '../src/dns/types.ts'
import type { Name } from '../src/model/name.ts'
import type { Address, World } from '../src/world/world.ts'

/** Of the name itself, not of what its alias leads to. */
export interface Heard {
  readonly addresses: readonly string[]
  readonly alias: string | null
}

export interface Question {
  readonly name: Name
  readonly at: Address
}

const everyMs = 400

/** `next` says what to ask; `hear` is told of each reply, and when the question set out (virtual milliseconds). */
export async function witness(
  world: World,
  next: (random: World['random']) => Question | null,
  hear: (name: Name, heard: Heard, asked: number) => void,
): Promise<never> {
  for (;;) {
    await world.clock.sleep(everyMs)
    const question = next(world.random)
    if (question === null) continue
    const owner = nameFromText(question.name) as WireName
    const asked = world.clock.now()
    const message = messageOf({ questions: [{ name: owner, type: Type.A, class: Class.IN }] })
    const reply = await askUdp(world, question.at, message, { timeoutMs: 1_500 })
    if (reply.kind === 'failure') continue
    const { rcode, answers } = reply.message
    if (rcode !== Rcode.NOERROR && rcode !== Rcode.NXDOMAIN) continue
    const here = answers.filter(({ name }) => fold(name) === owner)
    const [cname] = here.filter(({ type }) => type === Type.CNAME)
    const target = cname && nameFromData(cname.data)
    hear(
      question.name,
      {
        addresses: here.filter(({ type }) => type === Type.A).flatMap(({ data }) => ipFromData(data) ?? []),
        alias: target === undefined ? null : nameToText(target),
      },
      asked,
    )
  }
}

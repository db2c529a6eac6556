/** What a plan answers for a name, as people read it. Pure. */
import type { Answer } from '../model/answer.ts'

/** "127.0.0.11*100 127.0.0.12*10 (TTL 5 s)", with the weights; "alias of db.example.test (TTL 5 s)"; "retired". */
export function answerSaid(answer: Answer): string {
  if (answer.kind === 'retired') return 'retired'
  const what =
    answer.kind === 'alias'
      ? `alias of ${answer.target.replace(/\.$/, '')}`
      : answer.addresses.map(({ address, weight }) => `${address}*${weight}`).join(' ')
  return `${what} (TTL ${answer.ttl} s)`
}

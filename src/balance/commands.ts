/**
 * Commands of HAProxy's runtime API as text (management guide, section 9.3). One command a line: in
 * interactive mode each gets an answer of its own, so any number can be under way.
 */
import { assert } from '../base/assert.ts'
import type { IpAddress } from '../model/address.ts'
import type { SlotState } from '../model/haproxy.ts'

/** HAProxy reads a line into one buffer of 16,384 bytes and needs room in it. */
export const lineBytesMax = 15_000

/** A word of a command: `;` would end it, `\` and spaces would change it, a line end would begin another. */
export function word(text: string): string {
  assert(!/[\n\r\0]/.test(text), `expected a word without line ends, found ${JSON.stringify(text)}`)
  return text.replace(/[\\; \t]/g, (character) => `\\${character}`)
}

const server = (backend: string, name: string) => `${word(backend)}/${word(name)}`

export const setWeight = (backend: string, name: string, weight: number): string =>
  `set server ${server(backend, name)} weight ${weight}`

export const setState = (backend: string, name: string, state: SlotState): string =>
  `set server ${server(backend, name)} state ${state}`

export const setAddress = (backend: string, name: string, address: IpAddress, port?: number): string =>
  `set server ${server(backend, name)} addr ${address}${port === undefined ? '' : ` port ${port}`}`

export const showServersState = 'show servers state'
export const showInfo = 'show info'
export const showLevel = 'show cli level'
/** A toggle: the first one on a connection begins interactive mode. */
export const interactive = 'prompt'

/** One server of a backend, as CSV. */
export const showServer = (backend: string, serverId: number): string => `show stat ${word(backend)} 4 ${serverId}`
/** The backend itself, as CSV. */
export const showBackend = (backend: string): string => `show stat ${word(backend)} 2 -1`

/** Closes this connection after so long without a command, whatever `stats timeout` says. */
export const setIdleTimeout = (seconds: number): string => `set timeout cli ${seconds}`

/** What is written to the socket for some commands. */
export function linesOf(commands: readonly string[]): string {
  for (const command of commands)
    assert(
      command.length <= lineBytesMax && !command.includes('\n'),
      `expected a command of one line and at most ${lineBytesMax} bytes, found ${command.length}`,
    )
  return commands.map((command) => `${command}\n`).join('')
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interactive, lineBytesMax, linesOf, setAddress, setState, setWeight, showServer, word } from './commands.ts'
import {
  parseInfo,
  parseServersState,
  parseStat,
  parseStatAddress,
  parseTyped,
  parseVersion,
  ReplySplitter,
  refusalIn,
} from './replies.ts'

const heading =
  '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'

describe('answers', () => {
  const answer = fc
    .array(fc.stringMatching(/^[^\n]{0,20}$/), { maxLength: 5 })
    .map((lines) => lines.join('\n').replace(/^\n+|\n+$/g, ''))
    .filter((text) => !`\n${text}\n`.includes('\n> '))

  test('are told apart wherever the stream was cut', () => {
    fc.assert(
      fc.property(
        fc.array(answer, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (answers, sizes) => {
          const bytes = Buffer.from(answers.map((text) => (text === '' ? '\n> ' : `${text}\n\n> `)).join(''))
          const splitter = new ReplySplitter()
          const found: string[] = []
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1
            found.push(...splitter.push(bytes.subarray(at, at + size)))
            at += size
          }
          expect(found).toEqual(answers)
          expect(splitter.pending).toBe(0)
        },
      ),
    )
  })

  test('of any text whatsoever throw nothing', () => {
    const near = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.constantFrom('1\n', `${heading}\n`, '3 web 2 slot1', ' ', '-1', '\n', ':', '"', ',', '# ', 'S.3.1'))
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(near, (text) => {
        parseInfo(text)
        parseServersState(text)
        parseStat(text)
        parseTyped(text)
        parseVersion(text)
        parseStatAddress(text)
        refusalIn(text)
        new ReplySplitter().push(Buffer.from(text))
      }),
      { numRuns: 500 },
    )
  })

  test('to a set server say whether it was done', () => {
    expect(refusalIn('')).toBeUndefined()
    expect(
      refusalIn(
        "IP changed from '127.0.0.1' to '127.0.0.11', port changed from '9' to '8080' by 'stats socket command'",
      ),
    ).toBeUndefined()
    expect(
      refusalIn("no need to change the addr, no need to change the port by 'stats socket command'"),
    ).toBeUndefined()
    expect(refusalIn('nothing changed'), 'HAProxy 3.0').toBeUndefined()
    expect(refusalIn('No such server.')).toBe('No such server.')
    expect(refusalIn('Proxy is disabled.')).toBe('Proxy is disabled.')
  })
})

describe('show servers state', () => {
  const row = (name: string, rest: string) => `3 web 2 ${name} ${rest}`
  test('as HAProxy 2.6.12 writes it', () => {
    const text = [
      '1',
      heading,
      '3 web 1 holdfast-generation fd48:4f4c:870c:bbbd::1 0 5 0 0 15 1 0 0 8 0 0 0 unset.holdfast.invalid 1 - 0 0 - - 0',
      row('slot1', '127.0.0.21 2 4 256 1 7 1 0 0 8 0 0 0 unset.holdfast.invalid 8080 - 0 0 - - 0'),
      row('slot2', '127.0.0.22 2 12 7 1 0 1 0 0 6 22 0 0 - 8081 - 0 0 - - 0'),
      row('slot3', '- 0 37 1 1 2 1 0 0 8 0 0 0 unset.holdfast.invalid 9 - 0 0 - - 0'),
      '',
    ].join('\n')
    const [marker, one, two, three] = parseServersState(text) ?? []
    expect(marker).toMatchObject({ id: 1, address: 'fd48:4f4c:870c:bbbd::1', state: 'maint', weight: 0 })
    expect(one).toEqual({
      backend: 'web',
      name: 'slot1',
      id: 2,
      address: '127.0.0.21',
      port: 8080,
      state: 'ready',
      weight: 256,
      checked: false,
      named: true,
      unchangedFor: 7,
    })
    expect(two).toMatchObject({ state: 'drain', checked: true, named: false })
    expect(three).toMatchObject({ address: null, state: 'maint' })
  })

  test('with columns that come later, in another order, or with lines that are none', () => {
    const text =
      '1\n# srv_new srv_id be_name srv_name srv_port srv_uweight srv_admin_state srv_addr\nx 5 web slot1 80 3 0 ::1\nx y web slot2 80 3 0 ::1\nnonsense\n'
    expect(parseServersState(text)).toMatchObject([
      { id: 5, name: 'slot1', port: 80, weight: 3, address: '::1', checked: false, named: true },
    ])
    expect(parseServersState('2\n# anything\n')).toBeUndefined()
    expect(parseServersState("Can't find backend.")).toBeUndefined()
    expect(parseServersState('1\n# be_id be_name srv_id\n')).toBeUndefined()
  })
})

describe('show info and show stat', () => {
  test('a process, and whether it is on its way out', () => {
    expect(parseInfo('Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nPid: 21900\nStopping: 0')).toEqual({
      version: '2.6.12-1+deb12u4',
      pid: 21900,
      stopping: false,
    })
    expect(parseInfo('Version: 3.0.1\nPid: 7\nStopping: 1')?.stopping).toBe(true)
    expect(parseInfo('HTTP/1.1 400 Bad Request')).toBeUndefined()
  })
  test('versions', () => {
    expect(parseVersion('2.6.12-1+deb12u4')).toEqual({ major: 2, minor: 6 })
    expect(parseVersion('3.1-dev3')).toEqual({ major: 3, minor: 1 })
    expect(parseVersion('2.10')).toEqual({ major: 2, minor: 10 })
    expect(parseVersion('HAProxy')).toBeUndefined()
  })
  test('CSV with quoted fields', () => {
    expect(parseStat('# pxname,last_chk,addr,\nweb,"L4 ""refused"", really",[::1]:80,')?.[0]).toEqual(
      new Map([
        ['pxname', 'web'],
        ['last_chk', 'L4 "refused", really'],
        ['addr', '[::1]:80'],
        ['', ''],
      ]),
    )
    expect(parseStat('No such proxy.')).toBeUndefined()
  })
  test('CSV of any fields comes back', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[^\n]{0,8}$/), { minLength: 1, maxLength: 6 }), (fields) => {
        const line = fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(',')
        const names = fields.map((_, index) => `f${index}`)
        expect([...(parseStat(`# ${names.join(',')}\n${line}`)?.[0]?.values() ?? [])]).toEqual(fields)
      }),
    )
  })
  test('the typed form', () => {
    const typed = parseTyped('S.3.1.1.svname.1:KNS:str:slot1\nS.3.1.73.addr.1:CGS:str:[fd00::1]:1\nnot a field')
    expect([...typed]).toEqual([
      ['S.3.1 svname', 'slot1'],
      ['S.3.1 addr', '[fd00::1]:1'],
    ])
  })
  test('addresses', () => {
    expect(parseStatAddress('127.0.0.1:80')).toBe('127.0.0.1')
    expect(parseStatAddress('[fd00:0::1]:1')).toBe('fd00::1')
    expect(parseStatAddress('')).toBeUndefined()
  })
})

describe('commands', () => {
  test('no word ends a command, or begins one', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[^\n\r\0]{1,30}$/), (text) => {
        const escaped = word(text)
        expect(escaped.replace(/\\(.)/g, '$1')).toBe(text)
        expect(escaped.replace(/\\./g, '')).not.toMatch(/[; \t\\]/)
      }),
    )
    expect(() => word('a\nshutdown')).toThrow()
  })
  test('in the words of the management guide', () => {
    expect(
      linesOf([interactive, setWeight('web', 'slot1', 7), setState('web', 'slot1', 'drain'), showServer('web', 3)]),
    ).toBe('prompt\nset server web/slot1 weight 7\nset server web/slot1 state drain\nshow stat web 4 3\n')
    expect(setAddress('web', 'slot1', '::1' as never, 80)).toBe('set server web/slot1 addr ::1 port 80')
    expect(() => linesOf(['x'.repeat(lineBytesMax + 1)])).toThrow()
  })
})

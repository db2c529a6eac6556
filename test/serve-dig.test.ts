/** The built-in server on real sockets, asked and changed by programs that others wrote: dig, kdig, nsupdate. */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isProblem } from '../src/base/problem.ts'
import type { ServeEvent } from '../src/serve/events.ts'
import { type RunningServer, startServer } from '../src/serve/server.ts'
import { describeWith } from './support/programs.ts'
import { keyText, testSettings } from './support/serve-settings.ts'

const run = promisify(execFile)

const types: readonly (readonly [type: string, rdata: string])[] = [
  ['A', '192.0.2.1'],
  ['AAAA', '2001:db8::1'],
  ['TXT', '"one" "two \\"quoted\\""'],
  ['MX', '10 mail.example.test.'],
  ['SRV', '1 2 443 mail.example.test.'],
  ['CAA', '0 issue "ca.example"'],
  ['PTR', 'host.example.test.'],
  ['NAPTR', '100 50 "s" "z3950" "" _x._tcp.example.test.'],
  ['TLSA', '3 1 1 AABBCC'],
  ['SSHFP', '1 1 AABBCCDDEEFF00112233445566778899AABBCCDD'],
  ['HTTPS', '1 . alpn="h2"'],
  ['SVCB', '0 other.example.test.'],
  ['DS', `1 8 2 ${createHash('sha256').update('x').digest('hex').toUpperCase()}`],
  ['TYPE65400', '\\# 3 ABCDEF'],
]

const marker = (generation: number, more = '') => `"v=holdfast1" "g=${generation}" "d=0123456789abcdef" "o=t"${more}`

describeWith(['dig', 'kdig', 'nsupdate'], 'the built-in server', () => {
  let folder: string
  let server: RunningServer
  let port: string
  const events: ServeEvent[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-serve-'))
    const records = [
      ...types.map(([type, rdata]) => `t-${type.toLowerCase()} 60 IN ${type} ${rdata}`),
      'alias 60 IN CNAME t-a',
      '*.wild 60 IN A 192.0.2.7',
      'deep.ent 60 IN A 192.0.2.8',
      'sub 60 IN NS ns.sub',
      'ns.sub 60 IN A 192.0.2.53',
      ...Array.from({ length: 100 }, (_, n) => `many 60 IN A 198.51.100.${n}`),
      ...Array.from({ length: 3000 }, (_, n) => `host${n}.bulk 60 IN TXT "${'x'.repeat(40)}"`),
    ].join('\n')
    const started = await startServer(testSettings({ dir: join(folder, 'server'), records }), (event) =>
      events.push(event),
    )
    if (isProblem(started)) throw new Error(JSON.stringify(started))
    server = started
    port = String(server.addresses[0]?.port)
  })
  afterAll(async () => {
    await server?.close()
    await rm(folder, { recursive: true, force: true })
  })

  const dig = async (...words: string[]) =>
    (await run('dig', ['@127.0.0.1', '-p', port, '+time=2', '+tries=1', ...words], { maxBuffer: 1e8 })).stdout
  const kdig = async (...words: string[]) =>
    (await run('kdig', ['@127.0.0.1', '-p', port, '+time=2', '+retry=0', ...words], { maxBuffer: 1e8 })).stdout

  /** NOERROR, or what nsupdate says it was. */
  function nsupdate(lines: readonly string[], key: string | null = keyText): Promise<string> {
    const child = spawn('nsupdate', key === null ? ['-v'] : ['-v', '-y', key])
    child.stdin.end([`server 127.0.0.1 ${port}`, 'zone example.test', ...lines, 'send', ''].join('\n'))
    let said = ''
    child.stdout.on('data', (text: Buffer) => (said += text.toString()))
    child.stderr.on('data', (text: Buffer) => (said += text.toString()))
    return new Promise((resolve) =>
      child.on('close', (code) => resolve(code === 0 ? 'NOERROR' : (/update failed: (\S+)/.exec(said)?.[1] ?? said))),
    )
  }

  test.each(types)('%s is the same to dig and kdig, over UDP and TCP', async (type, rdata) => {
    const name = `t-${type.toLowerCase()}.example.test`
    for (const ask of [dig, kdig])
      for (const transport of [[], ['+tcp']]) {
        const text = (await ask('+short', ...transport, name, type)).trim()
        expect(text.replace(/([0-9A-F]{30,}) /g, '$1').replace('alpn=h2', 'alpn="h2"')).toBe(rdata)
      }
  })

  test.each([
    ['an alias is followed', 'alias.example.test A', ['NOERROR', 'aa', 'ANSWER: 2']],
    ['a wildcard answers', 'anything.wild.example.test A', ['NOERROR', 'ANSWER: 1', '192.0.2.7']],
    ['an empty non-terminal exists', 'ent.example.test A', ['NOERROR', 'ANSWER: 0', 'AUTHORITY: 1', 'SOA']],
    ['a name that does not exist', 'nothing.example.test A', ['NXDOMAIN', 'AUTHORITY: 1', 'SOA']],
    [
      'a delegation refers, with glue',
      'www.sub.example.test A',
      ['NOERROR', 'ANSWER: 0', 'ns.sub.example.test.', '192.0.2.53'],
    ],
    ['another zone is refused', 'example.org A', ['REFUSED']],
  ])('%s', async (_, question, expected) => {
    const reply = await dig('+norecurse', ...question.split(' '))
    for (const text of expected) expect(reply).toContain(text)
  })

  test('what is too long for UDP is cut there and whole over TCP', async () => {
    const cut = await dig('+ignore', '+noedns', 'many.example.test', 'A')
    expect(cut).toMatch(/flags: qr aa tc/)
    expect((await dig('+short', 'many.example.test', 'A')).trim().split('\n')).toHaveLength(100)
    expect((await kdig('+short', 'many.example.test', 'A')).trim().split('\n')).toHaveLength(100)
  })

  test('a transfer needs the key, is whole, and its signatures verify', async () => {
    expect(await dig('example.test', 'AXFR')).toContain('Transfer failed')
    for (const ask of [dig, kdig]) {
      const text = await ask('-y', keyText, 'example.test', 'AXFR')
      expect(text).not.toMatch(/could ?n.t verify|BADSIG|WARNING|failed|expected a TSIG/i)
      expect(text.split('\n').filter((line) => /^host\d+\.bulk\.example\.test\.\s/.test(line))).toHaveLength(3000)
      expect(text.split('\n').filter((line) => /\sIN\s+SOA\s/.test(line))).toHaveLength(2)
      expect(text).toContain('ns.sub.example.test.')
    }
  })

  test('a transfer of what changed: the SOA alone when nothing did, otherwise the whole zone', async () => {
    const soa = (await dig('+short', 'example.test', 'SOA')).trim()
    const serial = Number(soa.split(' ')[2])
    const count = (text: string) => Number(/XFR size: (\d+) records/.exec(text)?.[1])
    expect(count(await dig('-y', keyText, 'example.test', `IXFR=${serial}`))).toBe(1)
    expect(count(await dig('-y', keyText, 'example.test', `IXFR=${serial - 1}`))).toBeGreaterThan(3000)
  })

  test('updates need the right key', async () => {
    const add = ['update add new.example.test 60 A 192.0.2.1']
    expect(await nsupdate(add, null)).toBe('REFUSED')
    expect(await nsupdate(add, keyText.replace('holdfast-test.', 'nobody.'))).toBe('NOTAUTH(BADKEY)')
    expect(await nsupdate(add, `hmac-sha256:holdfast-test.:${Buffer.from('another secret').toString('base64')}`)).toBe(
      'NOTAUTH(BADSIG)',
    )
    expect(await nsupdate(add, `hmac-sha512:other.:${Buffer.alloc(64, 7).toString('base64')}`)).toBe('REFUSED')
    expect(await dig('+short', 'new.example.test', 'A')).toBe('')
    expect(await nsupdate(add)).toBe('NOERROR')
    expect((await dig('+short', 'new.example.test', 'A')).trim()).toBe('192.0.2.1')
  })

  test('an update whose condition does not hold changes nothing', async () => {
    expect(await nsupdate(['prereq nxdomain t-a.example.test', 'update add cond.example.test 60 A 192.0.2.1'])).toBe(
      'YXDOMAIN',
    )
    expect(
      await nsupdate(['prereq yxrrset t-a.example.test A 192.0.2.99', 'update add cond.example.test 60 A 192.0.2.1']),
    ).toBe('NXRRSET')
    expect(
      await nsupdate(['prereq yxrrset t-a.example.test A 192.0.2.1', 'update add cond.example.test 60 A 192.0.2.1']),
    ).toBe('NOERROR')
    expect(await nsupdate(['update add www.example.org 60 A 192.0.2.1'])).toBe('NOTZONE')
  })

  test('no client moves a guarded name back or empties it', async () => {
    const set = (generation: number, more?: string) => [
      'update delete _holdfast.db.example.test TXT',
      `update add _holdfast.db.example.test 5 TXT ${marker(generation, more)}`,
    ]
    const addresses = async () => (await dig('-y', keyText, '+short', 'db.example.test', 'A')).trim().split('\n').sort()
    expect(
      await nsupdate([
        ...set(7),
        'update add db.example.test 5 A 192.0.2.1',
        'update add db.example.test 5 A 192.0.2.2',
      ]),
    ).toBe('NOERROR')
    expect(await nsupdate(set(6))).toBe('REFUSED')
    expect(await nsupdate(['update delete db.example.test'])).toBe('REFUSED')
    expect(await nsupdate(['update delete db.example.test A'])).toBe('REFUSED')
    expect(await nsupdate(['update delete _holdfast.db.example.test'])).toBe('REFUSED')
    expect(await addresses()).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(await nsupdate(['update delete db.example.test A 192.0.2.2'])).toBe('NOERROR')
    expect(await nsupdate(['update delete db.example.test A 192.0.2.1'])).toBe('REFUSED')
    expect(await addresses()).toEqual(['192.0.2.1'])
    expect(await nsupdate([...set(8, ' "k=retired"'), 'update delete db.example.test A'])).toBe('NOERROR')
    expect(await dig('-y', keyText, 'db.example.test', 'A')).toContain('ANSWER: 0')
    const refusals = events.filter((event) => event.event === 'serve.update_refused').map(({ guard }) => guard)
    expect(refusals).toEqual(expect.arrayContaining(['generation-forward', 'never-empty', 'marker-kept']))
    expect(server.stats().guards).toMatchObject({ 'generation-forward': 1, 'never-empty': 3, 'marker-kept': 1 })
  })

  test('counts what it did', () => {
    const { answers, queries, updates, signaturesRefused } = server.stats()
    expect(answers.NOERROR).toBeGreaterThan(50)
    expect(Math.min(queries.udp, queries.tcp)).toBeGreaterThan(20)
    expect(updates.REFUSED).toBeGreaterThan(4)
    expect(signaturesRefused).toBe(2)
  })
})

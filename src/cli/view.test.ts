import fc from 'fast-check'
import { expect, test } from 'vitest'
import { widthOf } from './text.ts'
import { render, type Screen } from './view.ts'

const plain = (_style: unknown, text: string) => text

const screen: Screen = {
  now: 100_000,
  owner: 'quickstart',
  started: 40_000,
  head: { generation: 14, at: 97_000 },
  alarms: ['frozen by ann: incident 4711'],
  programs: ['planner-1', 'enactor-1', 'enactor-2', 'server', 'east'].map((name, index) => ({
    name,
    pid: 41_230 + index,
    mark: 'good' as const,
    note: 'runs',
  })),
  pools: [
    {
      id: 'web',
      capacity: 0.7,
      failOpen: false,
      targets: [
        { id: 'east', address: '127.0.0.11', share: 1, mark: 'good', note: 'serving', latencyMs: 1.25 },
        { id: 'west', address: '127.0.0.12', share: 0.4, mark: 'busy', note: 'comes back', latencyMs: 0.8 },
        { id: 'north', address: '127.0.0.13', share: 0, mark: 'bad', note: 'out: connection refused', latencyMs: null },
      ],
    },
  ],
  names: [{ name: 'db.example.test', generation: 14, answer: '127.0.0.11  127.0.0.12', mark: 'good' }],
  namesTotal: 40,
  events: Array.from({ length: 30 }, (_, index) => ({
    at: index,
    program: 'planner-1',
    text: `event ${index}`,
    bad: false,
  })),
  tries: [
    { command: 'dig @127.0.0.1 -p 5300 db.example.test +short', what: 'ask' },
    { command: 'kill -9 41231 41232', what: 'all enactors: DNS goes on' },
  ],
  footer: 'Ctrl-C stops everything',
}

test('on 80 by 24 everything that matters is there, newest events last', () => {
  const lines = render(screen, { columns: 80, rows: 24 }, plain)
  const text = lines.join('\n')
  for (const part of ['quickstart', 'generation 14, 3 s ago', 'up 1 m 00 s', '! frozen by ann', 'planner-1', '41234'])
    expect(text).toContain(part)
  for (const part of ['70 % of its capacity answers', 'connection refused', '1 of 40', 'g=14', 'event 29'])
    expect(text).toContain(part)
  for (const { command } of screen.tries) expect(lines.some((line) => line.startsWith(command))).toBe(true)
  expect(text).not.toContain('event 0\n')
})

test('no terminal is too small: never more lines or columns than there are', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 200 }), fc.integer({ min: 1, max: 80 }), (columns, rows) => {
      const lines = render(screen, { columns, rows }, plain)
      expect(lines.length).toBeLessThanOrEqual(rows)
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns)
    }),
  )
})

test('on a low terminal events give way before names, names before pools, and never the commands', () => {
  const at = (rows: number) => render(screen, { columns: 80, rows }, plain).join('\n')
  expect(at(40)).toContain('EVENTS')
  expect(at(13)).not.toContain('NAMES')
  expect(at(13)).toContain('dig @127.0.0.1')
})

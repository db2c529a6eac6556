/** Diagrams: whole as XML, safe with any text, faithful to time; and of minimal stories too. */
import { describe, expect, test } from 'vitest'
import { bugs } from './bugs/bugs.ts'
import { clockText, type Diagram, drawDiagram } from './diagram.ts'
import { wrap } from './diagram-style.ts'
import type { Story } from './story.ts'
import { storyPicture } from './story-diagram.ts'

const plain: Diagram = {
  title: 'Two & <three>',
  description: 'What "it" shows',
  from: 0,
  to: 10_000,
  lanes: [
    { id: 'a', label: 'a', kind: 'process' },
    { id: 'n', label: 'n', kind: 'band' },
  ],
  spans: [
    { lane: 'a', from: 1_000, to: 9_000, tone: 'plan', plan: 1, text: '1' },
    { lane: 'a', from: 2_000, to: 4_000, tone: 'held' },
    { lane: 'n', from: 5_000, to: 10_000, tone: 'empty', text: 'no address' },
  ],
  messages: [{ from: 'a', at: 2_000, to: 'n', arrives: 2_100, tone: 'write', plan: 1 }],
  marks: [{ lane: 'n', at: 5_000, tone: 'bad', text: 'a <b> & "c"' }],
}

/** Every element is closed, in order; text holds no bare `<` or `&`. */
function expectWhole(svg: string): void {
  const open: string[] = []
  const text = svg.replace(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi, (_, closing, name, __, empty) => {
    if (closing === '/') expect(open.pop()).toBe(name)
    else if (empty !== '/') open.push(name)
    return ''
  })
  expect(open).toEqual([])
  expect(text).not.toMatch(/<|&(?!amp;|lt;|gt;|quot;)/)
}

describe('a diagram', () => {
  test('is whole, named for those who cannot see it, and follows the light', () => {
    const svg = drawDiagram(plain)
    expectWhole(svg)
    expect(svg).toContain('<title id="title">Two &amp; &lt;three&gt;</title>')
    expect(svg).toContain('<desc id="text">What &quot;it&quot; shows</desc>')
    expect(svg).toContain('@media (prefers-color-scheme: dark)')
  })

  test('lays what held a process up over what it did', () => {
    const svg = drawDiagram({ ...plain, spans: [...plain.spans].reverse() })
    expect(svg.lastIndexOf('class="held" x="')).toBeGreaterThan(svg.indexOf('class="p0" x="'))
  })

  test('explains only the signs that occur', () => {
    expect(drawDiagram(plain)).toContain('>held up</text>')
    expect(drawDiagram({ ...plain, spans: [] })).not.toContain('>held up</text>')
  })

  test('leaves a stretch out, and what is after it keeps its scale', () => {
    const x = (svg: string) => Number(/class="dot good" cx="([\d.]+)"/.exec(svg)?.[1])
    const late = { ...plain, to: 100_000, marks: [{ lane: 'a', at: 99_000, tone: 'good' } as const] }
    const cut = { from: 10_000, to: 98_000, text: 'later' }
    const perSecond = (1052 - 132 - 92) / 12
    expect(x(drawDiagram({ ...late, cut }))).toBeCloseTo(1052 - perSecond, 0)
    expect(x(drawDiagram(late))).toBeCloseTo(132 + (99 / 100) * 920, 0)
  })

  test('refuses lanes that are none, and no time at all', () => {
    expect(() => drawDiagram({ ...plain, marks: [{ lane: 'x', at: 0, tone: 'note' }] })).toThrow('found x')
    expect(() => drawDiagram({ ...plain, to: 0 })).toThrow('expected a time span')
  })

  test('is the same for the same', () => {
    expect(drawDiagram(plain)).toBe(drawDiagram(structuredClone(plain)))
  })
})

test('times are written as people read them', () => {
  expect(clockText(0)).toBe('0:00')
  expect(clockText(83_400)).toBe('1:23')
  expect(clockText(83_460, true)).toBe('1:23.5')
  expect(clockText(59_960, true)).toBe('1:00.0')
  expect(clockText(3_660_000)).toBe('1:01:00')
})

test('lines are broken at spaces only', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrap('incomprehensibilities', 7)).toEqual(['incomprehensibilities'])
  expect(wrap('', 7)).toEqual([])
})

describe('a story', () => {
  const story: Story = {
    seed: 7,
    shape: {
      planners: 1,
      enactors: 2,
      probers: 1,
      pools: [2],
      endpointsPerPool: 1,
      aliases: 0,
      fixed: 0,
      zones: 1,
      keepPlans: 3,
      coalesceMs: 0,
      rampMs: 0,
      comparesTtl: false,
      foreign: false,
    },
    troubleMs: 22_000,
    calmMs: 60_000,
    happenings: [
      { at: 5_000, kind: 'pause', process: 'enactor-2', forMs: 3_000 },
      { at: 15_000, kind: 'hand', name: 0, what: 'empty' },
    ],
  }

  test('is drawn with its region, what happened, and what stood at its names', async () => {
    const { svg, outcome } = await storyPicture(story, { title: 'nothing wrong' })
    expect(outcome.violation).toBeNull()
    expectWhole(svg)
    for (const text of ['planner-1', 'enactor-2', 'pool0-0', 'pause enactor-2, for 3 s', 'hand empty'])
      expect(svg).toContain(text)
    expect(svg).toContain('class="held" x="')
  })

  test('ends with what it violates', async () => {
    const bug = bugs.find(({ name }) => name === 'empty-blocks')
    const plant = bug?.plant.bind(bug)
    const { svg, outcome } = await storyPicture(story, { title: 'a bug', only: 'L1', ...(plant && { plant }) })
    expect(outcome.violation).toMatchObject({ invariant: 'L1' })
    expectWhole(svg)
    expect(svg).toContain('L1: pool0-0.z0.test.')
    expect(svg).toContain('no address')
  })
})

import { expect, test } from 'vitest'
import { drawOn } from './screen.ts'

function terminal() {
  const state = {
    columns: 80,
    rows: 24,
    written: [] as string[],
    write: (text: string) => void state.written.push(text),
  }
  return state
}

test('an unchanged picture is not drawn again; a changed one in one write, in place', () => {
  const to = terminal()
  const drawing = drawOn(() => to)
  drawing.draw(['a', 'b'])
  drawing.draw(['a', 'b'])
  expect(to.written).toHaveLength(1)
  drawing.draw(['a', 'c'])
  expect(to.written).toHaveLength(2)
  expect(to.written[1]).toContain('\x1b[2A')
})

test('a change of width starts on a clear screen, since old lines have wrapped', () => {
  const to = terminal()
  const drawing = drawOn(() => to)
  drawing.draw(['a'])
  to.columns = 60
  drawing.draw(['a'])
  expect(to.written[1]).toContain('\x1b[2J\x1b[H')
})

test('neither the second screen nor a hidden cursor: being killed leaves a usable terminal', () => {
  const to = terminal()
  const drawing = drawOn(() => to)
  drawing.draw(['a'])
  drawing.draw(['b'])
  drawing.close()
  expect(to.written.join('')).not.toMatch(/\?1049|\?25l/)
})

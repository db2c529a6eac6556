/**
 * Each scenario's text file says what it prints. `REWRITE=1 npx vitest run lab/scenarios.test.ts` puts
 * what it prints now in the place of what it printed before: read the difference before you keep it.
 */
import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isBad, play, scenarioFiles } from './scenarios/files.ts'
import { formatTranscript, parseTranscript } from './scenarios/transcript.ts'
import { scenarios } from './scenarios.ts'

const files = scenarioFiles()

describe('scenarios', () => {
  for (const { path, transcript } of files)
    test(`${transcript.name}: ${transcript.title}`, { timeout: 30_000 }, async () => {
      const { outputs } = await play(transcript)
      if (process.env.REWRITE === '1') writeFileSync(path, formatTranscript(transcript, outputs))
      for (const [index, { commands, expected }] of transcript.blocks.entries()) {
        expect(outputs[index]?.filter(isBad)).toEqual([])
        if (process.env.REWRITE !== '1')
          expect(outputs[index], `after "${commands.join('; ')}" (REWRITE=1 rewrites ${path})`).toEqual(expected)
      }
    })

  test('are all that the peers taught: R1 to R22, each once', () => {
    // Those with a letter tell the same once more, on other ground.
    expect(files.map(({ transcript }) => transcript.name).filter((name) => /[0-9]$/.test(name))).toEqual(
      Array.from({ length: 22 }, (_, index) => `r${index + 1}`),
    )
  })

  test('are known to replay by name, each name once', () => {
    const names = scenarios.map(({ name }) => name)
    expect(names).toContain('october-2025')
    expect(names).toContain('r8')
    expect(new Set(names).size).toBe(names.length)
  })

  test('harm nothing and get where they should with other seeds too', { timeout: 120_000 }, async () => {
    for (const { transcript } of files)
      for (const seed of [2, 3, 4]) {
        const { outputs } = await play(transcript, seed)
        expect(outputs.flat().filter(isBad), `${transcript.name}, seed ${seed}`).toEqual([])
      }
  })

  test.skipIf(process.env.REWRITE === '1')('are told with a verdict', async () => {
    const lines: string[] = []
    const scenario = scenarios.find(({ name }) => name === 'r2')
    const told = await scenario?.run({ protocol: 'holdfast', tell: (line) => lines.push(line) })
    expect(told).toMatchObject({ asExpected: true, verdict: expect.stringMatching(/^As it must be: /) })
    expect(lines).toContain('> policy empty')
  })
})

describe('a scenario file', () => {
  const text = '# R9 Title.\n# Stands for: a thing\n# Must be: this\n# and that.\n\n# why\ndo it\n----\nout 1\nout 2\n'

  test('is read and written back as it was', () => {
    const transcript = parseTranscript('r9.txt', text)
    expect(transcript).toMatchObject({ name: 'r9', title: 'Title.', standsFor: 'a thing', mustBe: 'this and that.' })
    expect(formatTranscript(transcript, [['out 1', 'out 2']])).toBe(text)
    expect(formatTranscript(transcript, [['other']])).toBe(text.replace('out 1\nout 2', 'other'))
  })

  test.each([
    ['no title', 'do it\n----\n', 'r9.txt: expected a first line'],
    ['no divider', text.replace('----\n', ''), 'r9.txt: expected a line "----"'],
    ['no source', text.replace('# Stands for: a thing\n', ''), 'r9.txt: expected a line "# Stands for: ..."'],
    ['no command', text.replace('do it\n', ''), 'r9.txt: expected a command above'],
  ])('that is wrong says so: %s', (_, wrong, message) => {
    expect(() => parseTranscript('r9.txt', wrong)).toThrow(message)
  })
})

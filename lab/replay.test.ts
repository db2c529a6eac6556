/** `holdfast lab replay` as a person types it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cli } from '../src/cli/cli.ts'
import type { Bug } from './bugs/bug.ts'
import { bugs } from './bugs/bugs.ts'
import { runWith } from './hunt.ts'
import { runLab } from './main.ts'
import type { Story } from './story.ts'
import { writeStory } from './story-file.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-replay-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function lab(...args: readonly string[]) {
  const said = { out: '', err: '' }
  const cli: Cli = {
    exitCode: 0,
    io: {
      env: {},
      cwd: folder,
      out: (text) => {
        said.out += text
      },
      err: (text) => {
        said.err += text
      },
      outIsTty: false,
      errIsTty: false,
      columns: () => 80,
    },
  }
  await runLab(args, cli)
  return { ...said, exitCode: cli.exitCode }
}

describe('replay', () => {
  test('lists what there is', async () => {
    const { out } = await lab('replay')
    expect(out).toMatch(/^october-2025 +A slow enactor/)
    expect(out).toMatch(/^r22 +The planner is gone/m)
  })

  test('tells a scenario, whatever the case of its name, with its verdict', async () => {
    const { out, exitCode } = await lab('replay', 'R2')
    expect(exitCode).toBe(0)
    expect(out).toContain('> policy empty\n')
    expect(out).toContain('  no record changed\n')
    expect(out).toContain('Verdict, as expected\n  As it must be: ')
  })

  test('gives scripts one document', async () => {
    const { out } = await lab('replay', 'october-2025', '--protocol', 'classic', '--json')
    expect(JSON.parse(out)).toMatchObject({
      scenario: 'october-2025',
      protocol: 'classic',
      asExpected: true,
      facts: { answer: { addresses: [] } },
    })
  })

  test('draws', async () => {
    const { err } = await lab('replay', 'r8', '--svg', 'r8.svg')
    expect(err).toBe(`drawn: ${join(folder, 'r8.svg')}\n`)
    expect(readFileSync(join(folder, 'r8.svg'), 'utf8')).toContain('<title id="title">R8: ')
  })

  test.each([
    [['replay', 'r99'], 'NAME: expected a scenario, found "r99"'],
    [['replay', 'r8', '--protocol', 'classic'], '--protocol: expected holdfast, found "classic"'],
    [['replay', 'r8', '--svg', 'no/such/folder.svg'], '--svg: expected a file that can be written'],
    [['replay', 'gone.json'], 'expected a scenario, or a file with a story'],
  ])('refuses %j', async (args, message) => {
    await expect(lab(...args)).rejects.toThrow(message)
  })

  test('tells and draws a story from a file, with the bug that it needs', async () => {
    const bug = bugs.find(({ name }) => name === 'empty-blocks') as Bug
    const story: Story = {
      seed: 7,
      shape: {
        planners: 1,
        enactors: 1,
        probers: 1,
        pools: [1],
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
      troubleMs: 12_000,
      calmMs: 60_000,
      happenings: [{ at: 8_000, kind: 'hand', name: 0, what: 'empty' }],
    }
    const { hash } = await runWith(bug, story)
    const reason = 'a name emptied by hand stays so'
    const file = { holdfast: 'story', reason, violates: 'L1', bug: 'empty-blocks', hash, story } as const
    writeStory(join(folder, 'story.json'), file)
    const { out } = await lab('replay', 'story.json', '--svg', 'story.svg')
    expect(out).toContain('VIOLATION of L1: pool0-0.z0.test.')
    expect(out).toContain(`The history is the one of the file (${hash}).`)
    expect(readFileSync(join(folder, 'story.svg'), 'utf8')).toContain('no address')
    const strange = { ...story, shape: { ...story.shape, authorities: ['abacus' as 'server'] } }
    writeStory(join(folder, 'strange.json'), { ...file, story: strange })
    await expect(lab('replay', 'strange.json')).rejects.toThrow(/authority of kind "abacus" \(there are server, /)
  })
})

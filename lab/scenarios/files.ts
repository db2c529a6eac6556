/** The scenarios that are text files beside this one, and how they are played. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Scenario, Told } from '../scenario.ts'
import { Player } from './commands.ts'
import { parseTranscript, type Transcript } from './transcript.ts'

export interface ScenarioFile {
  readonly path: string
  readonly transcript: Transcript
}

/** In the order of their numbers. @throws Error that names a file that is wrong */
export function scenarioFiles(): readonly ScenarioFile[] {
  const folder = new URL('.', import.meta.url)
  return readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .map((file) => {
      const path = new URL(file, folder).pathname
      return { path, transcript: parseTranscript(file, readFileSync(path, 'utf8')) }
    })
    .sort((a, b) => numberOf(a) - numberOf(b) || (a.transcript.name < b.transcript.name ? -1 : 1))
}

const numberOf = ({ transcript }: ScenarioFile): number => Number.parseInt(transcript.name.slice(1), 10)

/** With which the files were written. */
export const ownSeed = 1

/** Lines that no scenario may print, whatever the seed. */
export const isBad = (line: string): boolean => /^(VIOLATION|NOT REACHED)/.test(line)

export interface Played {
  /** One list of lines for each block. */
  readonly outputs: readonly (readonly string[])[]
  readonly hash: string
  readonly svg: string
}

/** @throws Error that says which command could not be carried out */
export async function play(
  { name, title, mustBe, blocks }: Transcript,
  seed = 1,
  tell: (line: string) => void = () => {},
): Promise<Played> {
  const player = new Player(seed)
  const outputs: (readonly string[])[] = []
  for (const { comments, commands } of blocks) {
    const output: string[] = []
    for (const comment of comments) tell(comment)
    for (const command of commands) {
      tell(`> ${command}`)
      try {
        const lines = await player.play(command)
        for (const line of lines) tell(`  ${line}`)
        output.push(...lines)
      } catch (error) {
        throw new Error(`${name}: "${command}": ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      }
    }
    outputs.push(output)
  }
  return { outputs, hash: player.hash, svg: player.draw(`${name.toUpperCase()}: ${title}`, mustBe) }
}

export function scenarioOf({ transcript }: ScenarioFile): Scenario {
  const { name, title, standsFor, mustBe, blocks } = transcript
  return {
    name,
    summary: title,
    protocols: ['holdfast'],
    async run({ tell, seed }): Promise<Told> {
      tell(`# ${title}`)
      tell(`# Stands for: ${standsFor}`)
      const { outputs, hash, svg } = await play(transcript, seed, tell)
      const said = outputs.flat().find((line) => isBad(line))
      // With another seed other enactors are first: what was written down holds for its own seed only.
      const differing =
        seed === undefined || seed === ownSeed
          ? blocks.findIndex(({ expected }, index) => expected.join('\n') !== outputs[index]?.join('\n'))
          : -1
      const block = blocks[differing]
      const mustNot =
        said ??
        (block &&
          `after "${block.commands.at(-1)}", expected "${block.expected.join('; ')}", found "${outputs[differing]?.join('; ')}"`)
      const verdict =
        mustNot === undefined ? `As it must be: ${mustBe}` : `Not as it must be: ${mustNot}. It must be: ${mustBe}`
      return { verdict, asExpected: mustNot === undefined, hash, svg }
    },
  }
}

/** `--svg FILE`: a diagram into a file. */
import { writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Cli } from '../src/cli/cli.ts'
import { usage } from '../src/cli/io.ts'

/** Where it was written. @throws CliFailure */
export function writePicture(cli: Cli, file: string, svg: string): string {
  const path = isAbsolute(file) ? file : join(cli.io.cwd, file)
  try {
    writeFileSync(path, svg)
  } catch (error) {
    return usage('--svg', 'a file that can be written', `${path}: ${(error as Error).message}`, 'name another file')
  }
  return path
}

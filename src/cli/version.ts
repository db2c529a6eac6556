/** Which Holdfast this is, from its own manifest. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** The program's own main file: TypeScript in a clone, JavaScript in the published package. */
export const mainFile = join(here, `main${extname(fileURLToPath(import.meta.url))}`)

/** The manifest lies above `cli/` in the published package, and above `src/` in a clone. */
export const version: string = readVersion()

function readVersion(): string {
  for (const folder of [join(here, '..'), join(here, '..', '..')]) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: string
        version?: string
      }
      if (manifest.name === 'holdfast' && manifest.version !== undefined) return manifest.version
    } catch {
      // Not in this folder.
    }
  }
  return 'unknown'
}

/** Changes whenever the program does: the version, the Node that runs it, and when its files were last written. */
export function buildMark(): string {
  let newest = 0
  const look = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === 'node_modules' || entry.name.includes('.test.')) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) look(path)
      else if (/\.(?:ts|js)$/.test(entry.name)) newest = Math.max(newest, statSync(path).mtimeMs)
    }
  }
  for (const part of ['base', 'world', 'model', 'dns', 'serve', 'config', 'telemetry', 'cli']) {
    try {
      look(join(here, '..', part))
    } catch {
      // A part that is not there cannot have changed.
    }
  }
  return `${version} ${process.version} ${Math.round(newest)}`
}

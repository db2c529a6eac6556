/**
 * Makes the package that is published: `dist/`, plain JavaScript with a manifest of its own.
 * Its tree is the repository's, so that every path between files is the same in both.
 *
 * The repository's own package.json is private: it brings a whole Node (189 MB) for whoever works on
 * a clone. Whoever installs `holdfast` gets only what runs.
 *
 *     npm run build && npm pack ./dist
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** What `holdfast/recover` is, without ending. */
const library = 'src/recover/library/index'

/** Taken over as they are. Folders are copied without `state/`, where an example run keeps its data. */
const alsoPublished = [
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'holdfast.schema.json',
  'examples',
  'docs',
]

interface Manifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly type: string
  readonly keywords?: readonly string[]
  readonly engines: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
}

/** The manifest of the published package, from the repository's. */
export function publicManifest(ours: Manifest): object {
  return {
    name: ours.name,
    version: ours.version,
    description: ours.description,
    license: ours.license,
    ...(ours.keywords === undefined ? {} : { keywords: ours.keywords }),
    type: ours.type,
    engines: ours.engines,
    bin: { holdfast: 'src/cli/main.js' },
    // A program, and one library: all other modules may change in any release.
    exports: {
      './recover': { types: `./${library}.d.ts`, default: `./${library}.js` },
      './package.json': './package.json',
      './holdfast.schema.json': './holdfast.schema.json',
    },
    files: ['**/*'],
    dependencies: ours.dependencies,
  }
}

export function build(dist = join(root, 'dist')): void {
  rmSync(dist, { recursive: true, force: true })
  compile('tsconfig.build.json', dist)
  // Types of the library, and of what it is made of; programs need none.
  compile('tsconfig.types.json', dist)
  for (const name of alsoPublished) copy(join(root, name), join(dist, name))
  const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(publicManifest(ours), null, 2)}\n`)
  chmodSync(join(dist, 'src', 'cli', 'main.js'), 0o755)
}

function compile(project: string, dist: string): void {
  const tsc = join(root, 'node_modules', '.bin', 'tsc')
  const compiled = spawnSync(tsc, ['-p', join(root, project), '--outDir', dist], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`expected tsc to compile src by ${project}, found:\n${compiled.stdout}`)
}

function copy(from: string, to: string): void {
  if (!existsSync(from)) throw new Error(`expected ${from} for the package, found nothing; make it first`)
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, { recursive: true, filter: (path) => !/[/\\]state$/.test(path) })
}

if (import.meta.main) {
  build()
  console.log(`built ${join(root, 'dist')}; to pack it: npm pack ./dist`)
}

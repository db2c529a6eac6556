/**
 * The repository checks itself: who may import whom, what only the World may touch, and that the
 * documents speak of what exists. Each rule is data below; a failure names file, line and rule.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { blank, cycleIn, type Import, importsOf, lineOf, type Module, readModules, root } from './support/modules.ts'

/**
 * Which folders of `src/` a folder may import, besides itself. Roles are on one level: they meet in
 * the model, in the store and on the wire. A role that does not exist yet has its line already.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  world: ['base'],
  model: ['base', 'world'],
  dns: ['base', 'world', 'model'],
  store: ['base', 'world', 'model'],
  config: ['base', 'world', 'model', 'dns', 'store'],
  plan: ['base', 'world', 'model', 'store'],
  enact: ['base', 'world', 'model', 'store'],
  providers: ['base', 'world', 'model', 'dns'],
  serve: ['base', 'world', 'model', 'dns'],
  health: ['base', 'world', 'model', 'dns', 'store'],
  balance: ['base', 'world', 'model', 'store'],
  recover: ['base', 'world', 'model', 'store'],
  // Plays the hosts of a fleet, in front of a lease service or of what such a service depends on.
  drill: ['base', 'recover', 'leases'],
  intake: ['base', 'world', 'model', 'store'],
  leases: ['base', 'world', 'model', 'store', 'recover'],
  // A witness must not share the memory of what it watches.
  watch: ['base', 'world', 'dns'],
  telemetry: [
    'base',
    'world',
    'model',
    'store',
    'plan',
    'enact',
    'providers',
    'serve',
    'health',
    'balance',
    'intake',
    'leases',
  ],
  cli: ['*'],
}

/** Single edges beyond the table, each with its reason. */
const alsoAllowed: readonly { readonly from: RegExp; readonly to: RegExp; readonly because: string }[] = [
  { from: /^src\/enact\//, to: /^src\/providers\/provider\.ts$/, because: 'the port that enactors write through' },
  {
    from: /^src\/plan\//,
    to: /^src\/health\/(?:step|sites|reasons|velocity|weights)\.ts$/,
    because: 'judging health is part of deciding; these are pure',
  },
  {
    from: /^src\/balance\/weights\.ts$/,
    to: /^src\/health\/weights\.ts$/,
    because: 'how much of a target answers is reckoned in one place; it is pure',
  },
  {
    from: /^src\/config\/leases\.ts$/,
    to: /^src\/recover\/(?:bounds|polling)\.ts$/,
    because: 'whether a fleet fits is said by the formula that the governor works by; it is pure',
  },
  {
    from: /^src\/serve\/copy\.ts$/,
    to: /^src\/store\/(?:lmdb|store)\.ts$/,
    because: "the server's own copy is a store in a directory of its own, which nobody else opens",
  },
]

/** The one way into the laboratory, and only when it is asked for. */
const intoTheLab = { from: 'src/cli/lab.ts', to: 'lab/main.ts' }

/**
 * Files that act: they may reach the machine without going through the World. Everything else in
 * `src/` decides, or acts through the World alone.
 */
const actors: readonly { readonly files: RegExp; readonly because: string }[] = [
  { files: /^src\/world\/node\.ts$/, because: 'it is the real World' },
  {
    files: /^src\/store\/(?:lmdb|wake|group-commit|data-file|room)\.ts$/,
    because: 'the embedded store is files and their locks',
  },
  {
    files: /^src\/config\/(?:files|secrets|source|text-secrets)\.ts$/,
    because: 'reads the configuration and the keys',
  },
  {
    files: /^src\/serve\/(?:server|sockets|tcp|lock)\.ts$/,
    because: 'the sockets of the built-in server, and the clock that signatures are checked with',
  },
  {
    files: /^src\/health\/(?:check-node|check-tls|check-command|loop-delay)\.ts$/,
    because: 'checks that the World cannot make, behind the port in checker.ts; the delay of the event loop',
  },
  { files: /^src\/balance\/node-\w+\.ts$/, because: 'the runtime socket of HAProxy, and files beside it' },
  { files: /^src\/intake\/(?:http|ask-node)\.ts$/, because: 'listens for agents; asks over HTTPS' },
  {
    files: /^src\/recover\/library\/node-port\.ts$/,
    because: 'clock, timers and HTTP of the library for other services',
  },
  {
    files: /^src\/leases\/(?:front-door|http-work|postgres)\.ts$/,
    because: 'listens for hosts; the dependencies that are asked over sockets, behind the port in work.ts',
  },
  {
    files: /^src\/drill\/(?:ask|command|lease-service|proxy)\.ts$/,
    because: 'asks a target over the wire, runs the commands of an operator',
  },
  { files: /^src\/cli\//, because: 'starts programs, talks to a terminal' },
  { files: /^src\/telemetry\//, because: 'writes logs, listens for scrapes' },
]

const reachesTheMachine =
  /^node:(net|dgram|fs|fs\/promises|timers|timers\/promises|http|https|http2|tls|dns|dns\/promises|child_process|cluster|worker_threads|os|process|readline|perf_hooks)$|^(lmdb|fastify|pino|prom-client)$/

/** Pure helpers that live in a module with sockets. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['isIP', 'isIPv4', 'isIPv6', 'SocketAddress', 'BlockList'],
}

const ambient =
  /\b(?:Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|randomBytes|randomUUID|getRandomValues|hrtime)\b(?=\s*[.(])|\bnew Date\(\s*\)|\bprocess\.(?:env|exit|on|kill|hrtime|nextTick)\b/g

/** A test file may be a long list of cases. */
const linesMax = { production: 500, test: 800 }

const isThere = (path: string) => existsSync(join(root, path))
const isTest = (path: string) => path.endsWith('.test.ts')
const source = readModules('src')
const production = source.filter(({ path }) => !isTest(path))
const acts = (module: Module) => actors.some(({ files }) => files.test(module.path))
const folderOf = (path: string) => path.split('/')[1] as string
const place = (module: Module, found: Import) => `${module.path}:${found.line} imports ${found.specifier}`

describe('the tree', () => {
  test('is really read', () => {
    expect(production.length).toBeGreaterThan(40)
    expect(production.flatMap(({ imports }) => imports).length).toBeGreaterThan(150)
    for (const folder of Object.keys(mayImport).filter((name) => existsSync(join(root, 'src', name))))
      expect(
        production.some(({ path }) => folderOf(path) === folder),
        `modules in src/${folder}`,
      ).toBe(true)
  })

  test('imports point one way', () => {
    const offences = production.flatMap((module) =>
      module.imports
        .filter(({ target, lazy }) => target !== undefined && !isAllowed(module.path, target, lazy))
        .map((found) => `${place(module, found)}: ${folderOf(module.path)} may import ${allowedText(module.path)}`),
    )
    expect(offences).toEqual([])
  })

  test('has no way round', () => {
    expect(cycleIn(source)).toBeUndefined()
  })

  test('has no long file', () => {
    const long = source
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ path, lines }) => lines > (isTest(path) ? linesMax.test : linesMax.production))
    expect(long).toEqual([])
  })

  test('keeps no notes to self', () => {
    const notes = [...source, ...['lab', 'test', 'bench', 'scripts'].filter(isThere).flatMap(readModules)].flatMap(
      ({ path, text }) =>
        [...text.matchAll(/\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g)].map(({ index }) => `${path}:${lineOf(text, index)}`),
    )
    expect(notes).toEqual([])
  })
})

describe('what only the World may touch', () => {
  const deciding = production.filter((module) => !acts(module))

  test('most files are bound by it', () => {
    expect(deciding.length).toBeGreaterThan(production.length / 2)
  })

  test('no file that decides imports a module that reaches the machine', () => {
    const offences = deciding.flatMap((module) =>
      module.imports
        .filter((found) => !found.typeOnly && reaches(found))
        .map((found) => `${place(module, found)}: go through the World`),
    )
    expect(offences).toEqual([])
  })

  test('no file that decides takes time, chance, timers or the environment from its surroundings', () => {
    const offences = deciding.flatMap(({ path, code }) =>
      [...code.matchAll(ambient)].map(
        (found) => `${path}:${lineOf(code, found.index)} uses ${found[0]}: take it from the World`,
      ),
    )
    expect(offences).toEqual([])
  })
})

describe('the reader of modules sees', () => {
  test('imports of every form, and none in a comment or a string', () => {
    const text = [
      "import { type A, b } from './b.ts'",
      "import type { C } from '../world/world.ts'",
      "export * from './d.ts'",
      "const lazy = await import('./e.ts')",
      "import 'lmdb'",
      "// import { no } from './comment.ts'",
      `const text = \`import { no } from './string.ts' \${await import('./f.ts')}\``,
    ].join('\n')
    const found = importsOf('src/plan/a.ts', text)
    expect(found.map(({ specifier, line }) => `${line} ${specifier}`)).toEqual([
      '1 ./b.ts',
      '2 ../world/world.ts',
      '3 ./d.ts',
      '4 ./e.ts',
      '5 lmdb',
      '7 ./f.ts',
    ])
    expect(found[0]).toMatchObject({ target: 'src/plan/b.ts', typeOnly: false, names: ['A', 'b'] })
    expect(found[1]).toMatchObject({ target: 'src/world/world.ts', typeOnly: true })
    expect(found.map(({ lazy }) => lazy)).toEqual([false, false, false, true, false, true])
    expect(isAllowed('src/plan/a.ts', 'src/enact/fence.ts')).toBe(false)
    expect(isAllowed('src/watch/a.ts', 'src/model/name.ts')).toBe(false)
    expect(isAllowed('src/plan/a.ts', 'lab/world.ts')).toBe(false)
    expect(isAllowed('src/plan/a.ts', 'src/model/name.test.ts')).toBe(false)
  })

  test('ambient calls, and none in a comment, a string or a longer name', () => {
    const uses = (text: string) => [...blank(text).matchAll(ambient)].map(([found]) => found)
    expect(uses('const a = Date.now() // Date.now()')).toEqual(['Date.now'])
    expect(uses(`say('Math.random()'); /Date.now()/.test(x); \`\${setTimeout(f, 1)} fetch(\``)).toEqual(['setTimeout'])
    expect(uses('const now = new Date()')).toEqual(['new Date()'])
    expect(uses('world.clock.now(); prefetch(); new Date(at).toISOString()')).toEqual([])
  })
})

describe('what is installed', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >
  const groups = ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides'].map(
    (group) => manifest[group] ?? {},
  )
  const packages = groups.flatMap((group) => Object.entries(group))

  test('is named by exact version', () => {
    expect(packages.length).toBeGreaterThan(10)
    expect(packages.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
  })

  test('has its reason in docs/dependencies.md', () => {
    const reasons = readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8')
    expect(packages.filter(([name]) => !reasons.includes(`\`${name}\``)).map(([name]) => name)).toEqual([])
  })

  test('is locked by hash, whatever registry it comes from', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"')
  })
})

describe('the documents', () => {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(root, path)))
  const documents = files
    .filter((path) => path.endsWith('.md'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

  test('are really read', () => {
    expect(documents.length).toBeGreaterThan(10)
  })

  test('link to what exists', () => {
    const broken = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)]
        .map((match) => match[1] ?? match[2] ?? '')
        .filter((link) => !/^(?:https?|mailto):/.test(link) && !linksTo(path, link))
        .map((link) => `${path} links to ${link}`),
    )
    expect(broken).toEqual([])
  })

  test('name files that exist', () => {
    const gone = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/`((?:src|test|docs|bench|scripts|examples)\/[\w./-]+)`/g)]
        .map((match) => match[1] ?? '')
        .filter((named) => !existsSync(join(root, named)))
        .map((named) => `${path} names ${named}`),
    )
    expect(gone).toEqual([])
  })

  test('name npm commands that exist', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    const unknown = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(start|test)\b)/g)]
        .map((match) => match[1] ?? match[2] ?? '')
        .filter((script) => !(script in manifest.scripts))
        .map((script) => `${path} names npm run ${script}`),
    )
    expect(unknown).toEqual([])
  })

  test('name metrics that exist', () => {
    const made = new Set(
      production.flatMap(({ path, text }) =>
        path.startsWith('src/telemetry/')
          ? [...text.matchAll(/make\.(?:counter|gauge|histogram)\(\s*'(\w+)'/g)].map(([, name]) => `holdfast_${name}`)
          : path === 'src/cli/up-http.ts'
            ? [...text.matchAll(/lines\(\s*'(\w+)'/g)].map(([, name]) => `${name}`)
            : [],
      ),
    )
    expect(made.size).toBeGreaterThan(20)
    const named = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\bholdfast_[a-z_]*[a-z]\b/g)].map(([name]) => ({ path, name })),
    )
    expect(named.filter(({ name }) => !made.has(name))).toEqual([])
    const operating = documents.find(({ path }) => path === 'docs/operating.md')?.text ?? ''
    expect([...made].filter((name) => !operating.includes(`\`${name}`))).toEqual([])
  })

  test('state every invariant', () => {
    const safety = documents.find(({ path }) => path === 'docs/safety.md')?.text ?? ''
    for (const id of ['S1', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7', 'S8', 'L1', 'L2', 'L3', 'L4'])
      expect(safety).toMatch(new RegExp(`^#+ ${id} `, 'm'))
  })

  test('and everything else keep to what a clone has', () => {
    const elsewhere = new RegExp(['/wo', String.raw`rk/\w|/ro`, String.raw`ot/\w|/tmp/`, 'hf'].join(''))
    const leaks = files
      .filter((path) => /\.(?:[cm]?[jt]s|json|md|ya?ml|svg|sh)$|^\.ci\//.test(path))
      .filter((path) => elsewhere.test(readFileSync(join(root, path), 'utf8')))
    expect(leaks).toEqual([])
  })
})

function isAllowed(from: string, to: string, lazy = false): boolean {
  if (lazy && from === intoTheLab.from && to === intoTheLab.to) return true
  if (!to.startsWith('src/') || isTest(to)) return false
  const folders = mayImport[folderOf(from)] ?? []
  if (folderOf(from) === folderOf(to) || folders.includes('*') || folders.includes(folderOf(to))) return true
  return alsoAllowed.some((edge) => edge.from.test(from) && edge.to.test(to))
}

const allowedText = (path: string) => (mayImport[folderOf(path)] ?? ['nothing: give it a line in the table']).join(', ')

function reaches(found: Import): boolean {
  if (found.target === 'src/world/node.ts') return true
  if (!reachesTheMachine.test(found.specifier)) return false
  const pure = harmless[found.specifier] ?? []
  return found.names.length === 0 || found.names.some((name) => !pure.includes(name))
}

function linksTo(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? from : normalize(join(dirname(from), path))
  if (!existsSync(join(root, target))) return false
  if (anchor === undefined || !target.endsWith('.md')) return true
  const headings = [...readFileSync(join(root, target), 'utf8').matchAll(/^#+ (.*)$/gm)].map((match) =>
    slug(match[1] ?? ''),
  )
  return headings.includes(anchor)
}

/** A heading's anchor, as forges make it. */
const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replace(/ /g, '-')

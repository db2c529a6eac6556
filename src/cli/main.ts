#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The `holdfast` program. */
import { exit } from './exit.ts'
import { processIo } from './io.ts'
import { runCli } from './run-cli.ts'

// Whoever read the output may be gone, as `| head` is; but an output that could not be written is a failure.
let lost = false
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    lost ||= error.code !== 'EPIPE'
  })
const code = await runCli(process.argv.slice(2), processIo())
// Idle connections to authorities would keep the process; what was printed must be out before it ends.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))))
process.exit(lost && code === exit.ok ? exit.failed : code)

#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The `holdfast` program. */
import { processIo } from './io.ts'
import { runCli } from './run-cli.ts'

const code = await runCli(process.argv.slice(2), processIo())
// Idle connections to authorities would keep the process; what was printed must be out before it ends.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))))
process.exit(code)

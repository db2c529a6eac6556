#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The `holdfast` program. */
import { processIo } from './io.ts'
import { runCli } from './run-cli.ts'

const io = processIo()
process.exitCode = await runCli(process.argv.slice(2), io)

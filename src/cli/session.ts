/** Opens what a command works on: the configuration and the store. Failures end the command with the right exit code. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { isProblem, problem } from '../base/problem.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { never, type Store, StoreOutage } from '../store/store.ts'
import { type Cli, configPath } from './cli.ts'
import { endOnUncaught } from './end.ts'
import { exit } from './exit.ts'
import { CliFailure } from './io.ts'

/** `secrets`: only for commands that speak to DNS servers with a key. */
export function openConfig(cli: Cli, command: Command | string, options: { readonly secrets?: boolean } = {}): Config {
  const path = typeof command === 'string' ? command : configPath(cli, command)
  const loaded = loadConfig(path, cli.io.env, { secrets: options.secrets === true })
  if (loaded.kind === 'problems') throw new CliFailure(exit.config, loaded.problems)
  return loaded.config
}

/**
 * Runs `work` with the store open; `write: false` opens it so that nothing can be written, and with
 * `absent: 'empty'` a store that was never made counts as one with nothing in it.
 */
export async function withStore<Result>(
  config: Config,
  options: { readonly write: boolean; readonly absent?: 'empty' },
  work: (store: Store) => Promise<Result>,
): Promise<Result> {
  if (options.absent === 'empty' && !existsSync(config.store.path)) return await work(emptyStore)
  const store = await openLmdbStore({ path: config.store.path, readOnly: !options.write })
  if (isProblem(store)) throw new CliFailure(exit.unreachable, [store])
  const listenNoMore = endOnUncaught()
  try {
    return await work(store)
  } catch (error) {
    if (error instanceof StoreOutage) throw new CliFailure(exit.unreachable, [error.problem])
    throw error
  } finally {
    await store.close()
    listenNoMore()
  }
}

const emptyStore: Store = {
  get: async () => undefined,
  range: async () => ({ entries: [], revision: never, more: false }),
  commit: async () => ({
    kind: 'refused',
    problem: problem('store', 'a store', 'none: this command only looks', 'start "holdfast up", which makes it'),
  }),
  watch: async () => ({ kind: 'quiet', revision: never }),
  close: async () => {},
}

/** The policy for programs that ask again and again: the file is only read when it changed. */
import { stat } from 'node:fs/promises'
import type { PolicyReading, PolicySource } from '../model/policy.ts'
import { type ReadFile, readConfig } from './config.ts'
import { sameStamp, stampOf } from './files.ts'
import type { Environment } from './secrets.ts'

/**
 * Reads no secrets. Looks at modification time, size and inode of the file and of those named in
 * `endpointsFrom`, and reads them again when one differs. What is wrong or half written is `unreadable`.
 */
export function policySourceOf(path: string, env: Environment): PolicySource {
  let last: { readonly files: readonly ReadFile[]; readonly reading: PolicyReading } | undefined
  return {
    async read() {
      if (last !== undefined && (await unchanged(last.files))) return last.reading
      const { loaded, files } = readConfig(path, env, { secrets: false })
      const reading: PolicyReading =
        loaded.kind === 'config'
          ? { kind: 'policy', policy: loaded.config.policy, modified: loaded.config.modified }
          : { kind: 'unreadable', problems: loaded.problems }
      last = { files, reading }
      return reading
    },
  }
}

async function unchanged(files: readonly ReadFile[]): Promise<boolean> {
  for (const { path, stamp } of files) {
    // A file that could not be read is tried again each time: what was in the way may be gone.
    if (stamp === null) return false
    try {
      if (!sameStamp(stamp, stampOf(await stat(path)))) return false
    } catch {
      return false
    }
  }
  return true
}

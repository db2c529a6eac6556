/** A Knot DNS of one's own. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Authority, type AuthorityOptions, keyName, secret, startAuthority } from './authority.ts'

export function startKnot(options: AuthorityOptions = {}): Promise<Authority> {
  return startAuthority('knotd', options, async ({ folder, port, zone, zoneText }) => {
    await mkdir(join(folder, 'db'))
    await writeFile(join(folder, 'zone.db'), zoneText)
    await writeFile(
      join(folder, 'knot.conf'),
      `server:
    rundir: "${folder}"
    listen: 127.0.0.1@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "${folder}/db"
log:
  - target: stderr
    any: warning
key:
  - id: "${keyName}"
    algorithm: hmac-sha256
    secret: "${secret}"
acl:
  - id: holdfast
    key: "${keyName}"
    action: [update, transfer]
zone:
  - domain: "${zone}"
    storage: "${folder}"
    file: zone.db
    acl: holdfast
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
`,
    )
    return ['-c', join(folder, 'knot.conf')]
  })
}

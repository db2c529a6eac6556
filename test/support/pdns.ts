/** A PowerDNS authoritative server of one's own, on SQLite: the back end that takes dynamic updates. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Authority, type AuthorityOptions, keyName, secret, startAuthority } from './authority.ts'

const schema = '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql'

export function startPdns(options: AuthorityOptions = {}): Promise<Authority> {
  return startAuthority('pdns_server', options, async ({ folder, port, zone, zoneText }) => {
    const file = join(folder, 'pdns.sqlite3')
    const database = new DatabaseSync(file)
    database.exec(readFileSync(schema, 'utf8'))
    database.close()
    await writeFile(join(folder, 'zone.db'), zoneText)
    await writeFile(
      join(folder, 'pdns.conf'),
      `launch=gsqlite3
gsqlite3-database=${file}
gsqlite3-pragma-synchronous=0
local-address=127.0.0.1
local-port=${port}
socket-dir=${folder}
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
daemon=no
guardian=no
disable-syslog=yes
loglevel=3
webserver=no
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
`,
    )
    const key = keyName.replace(/\.$/, '')
    const domain = zone.replace(/\.$/, '')
    for (const command of [
      ['load-zone', domain, join(folder, 'zone.db')],
      ['import-tsig-key', key, 'hmac-sha256', secret],
      ['set-meta', domain, 'TSIG-ALLOW-DNSUPDATE', key],
      ['set-meta', domain, 'TSIG-ALLOW-AXFR', key],
    ])
      execFileSync('pdnsutil', [`--config-dir=${folder}`, ...command], { stdio: 'pipe' })
    return [`--config-dir=${folder}`]
  })
}

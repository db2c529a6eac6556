/** `holdfast fleet`: the leases of the hosts, who waits, how fast they are served, and when it is over. */
import type { Command } from 'commander'
import { keys } from '../model/keys.ts'
import type { FleetPart } from '../model/lease.ts'
import type { Store } from '../store/store.ts'
import { type Cli, newCommand, type Output, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { entriesOf } from './read.ts'
import { leasesIn } from './run-leases.ts'
import { openConfig, withStore } from './session.ts'
import { isFresh } from './snapshot.ts'
import { agoText, bar, count, durationText, percentText, table, timeText } from './text.ts'

export function fleetCommand(cli: Cli): Command {
  return newCommand('fleet', 'The leases of the hosts: who waits, how fast they are served, when it is over.', [
    ['holdfast fleet', 'for people'],
    ['holdfast fleet --check --json', 'exit code 5 while anybody waits or anything ails'],
  ])
    .option('--check', 'exit with code 5 while anybody waits or anything ails')
    .action(async (options: { readonly check?: boolean }, self: Command) => {
      const output = outputOf(cli, self)
      const config = openConfig(cli, self)
      const { shards } = leasesIn(config)
      const read = await withStore(config, { write: false, absent: 'empty' }, readFleet)
      const fleet = fleetOf(read, shards, Date.now())
      output.print(fleet, () => fleetText(fleet, output))
      if (options.check === true && (fleet.ails.length > 0 || fleet.waiting > 0)) cli.exitCode = exit.found
    })
}

interface Read {
  readonly parts: readonly { readonly id: string; readonly part: FleetPart }[]
  readonly owners: readonly string[]
}

async function readFleet(store: Store): Promise<Read> {
  const parts: { readonly id: string; readonly part: FleetPart }[] = []
  for await (const { key, value } of entriesOf(store, keys.leaseFleet.prefix)) {
    const part = keys.leaseFleet.decode(value)
    if (part !== undefined) parts.push({ id: key.slice(keys.leaseFleet.prefix.length), part })
  }
  const owners: string[] = []
  for await (const { value } of entriesOf(store, keys.leaseShard.prefix))
    owners.push(keys.leaseShard.decode(value)?.owner ?? '')
  return { parts, owners }
}

export interface Fleet {
  readonly at: string
  readonly hosts: number
  readonly leased: number
  readonly waiting: number
  readonly inFlight: number
  readonly limit: number
  readonly goodput: number
  /** In seconds, of the manager that takes longest; null: nobody can know. */
  readonly drainSeconds: number | null
  readonly shards: { readonly all: number; readonly owned: Readonly<Record<string, number>>; readonly unowned: number }
  readonly managers: readonly (Omit<FleetPart, 'at' | 'waiting'> & {
    readonly id: string
    readonly at: string
    readonly fresh: boolean
    readonly silentSeconds: number
    readonly waiting: number
  })[]
  readonly ails: readonly string[]
}

/** What managers that are silent said last is shown, and counts for nothing. Pure. */
export function fleetOf({ parts, owners }: Read, shards: number, now: number): Fleet {
  const managers = parts.map(({ id, part }) => ({
    id,
    ...part,
    at: timeText(part.at),
    fresh: isFresh(part.at, now),
    silentSeconds: Math.max(0, Math.round((now - part.at) / 1000)),
    waiting: part.waiting.reduce((total, one) => total + one, 0),
  }))
  const fresh = managers.filter((one) => one.fresh)
  const total = (of: (one: (typeof managers)[number]) => number) => fresh.reduce((sum, one) => sum + of(one), 0)
  const owned: Record<string, number> = {}
  const isThere = new Set(fresh.map(({ id }) => id))
  for (const owner of owners) if (isThere.has(owner)) owned[owner] = (owned[owner] ?? 0) + 1
  const unowned = shards - Object.values(owned).reduce((sum, one) => sum + one, 0)
  return {
    at: timeText(now),
    hosts: total((one) => one.known),
    leased: total((one) => one.leased),
    waiting: total((one) => one.waiting),
    inFlight: total((one) => one.inFlight),
    limit: total((one) => one.limit),
    goodput: total((one) => one.goodput),
    drainSeconds: fresh.some(({ drainMs }) => drainMs === null)
      ? null
      : Math.ceil(Math.max(0, ...fresh.map(({ drainMs }) => drainMs ?? 0)) / 1000),
    shards: { all: shards, owned, unowned },
    managers,
    ails: [
      ...(fresh.length === 0 ? ['no lease manager runs'] : []),
      ...(fresh.length > 0 && unowned > 0 ? [`${count(unowned, 'shard')} of ${shards} without a manager`] : []),
      ...new Set(fresh.flatMap(({ ails }) => ails)),
    ],
  }
}

function fleetText(fleet: Fleet, { paint }: Output): string {
  const { hosts, leased, waiting, ails, managers, shards } = fleet
  const share = hosts === 0 ? 0 : leased / hosts
  const lines = [
    ails.length === 0
      ? waiting === 0
        ? paint('green', '● nobody waits')
        : paint('yellow', `● ${count(waiting, 'host waits', 'hosts wait')} for a lease`)
      : paint(['red', 'bold'], `○ ${ails.length === 1 ? 'something ails' : `${ails.length} things ail`}`),
    ...ails.map((text) => `  ${text}`),
    '',
    `${bar(share, 30)} ${percentText(share)}  ${leased} of ${count(hosts, 'host')} leased`,
  ]
  if (waiting > 0)
    lines.push(
      fleet.drainSeconds === null
        ? `${waiting} wait; nobody can know how long while the dependency does not answer`
        : `${waiting} wait, ${Math.round(fleet.goodput)} a second are served: over in about ${durationText(fleet.drainSeconds * 1000)}`,
    )
  lines.push('', paint('bold', 'managers'))
  lines.push(
    managers.length === 0
      ? '  none has ever reported'
      : table(
          managers.map((one) => [
            one.fresh ? paint('green', '●') : paint('red', '○'),
            one.id,
            one.fresh
              ? `${shards.owned[one.id] ?? 0} of ${shards.all} shards`
              : agoText(Date.parse(one.at), Date.parse(fleet.at)),
            `${one.leased}/${one.known} leased`,
            `${one.waiting} wait`,
            `${one.inFlight} of ${one.limit} in flight, knee ${one.knee}`,
            `${Math.round(one.goodput)}/s`,
            `dependency ${one.dependency}`,
            one.downstream === null
              ? ''
              : `then ${one.downstream.waiting} wait, ${Math.round(one.downstream.goodput)}/s, ${one.downstream.dependency}`,
          ]),
          '  ',
        ),
  )
  return lines.join('\n')
}

/**
 * What kinds of authorities really promise, as data: for the documentation and for whoever shows a
 * zone. `tried` means that Holdfast's own tests hold the server to it; everything else is what its
 * vendor documents or its source shows, and has to be tried before a provider for it is written.
 */
import type { Guarantee } from './provider.ts'

export interface ProviderFacts {
  readonly id: string
  readonly name: string
  readonly guarantee: Guarantee
  /** Whether this version of Holdfast writes to it. */
  readonly supported: boolean
  readonly evidence: 'tried' | 'documented' | 'unproven'
  /** How a write is made conditional, or why it cannot be. */
  readonly condition: string
  /** What to know, one sentence each. */
  readonly caveats: readonly string[]
}

/** What each guarantee means for whoever runs enactors. */
export const guaranteeTexts: Readonly<Record<Guarantee, string>> = {
  'atomic-conditional':
    'records and marker change together, if exactly what was read is still there: any number of enactors may write',
  'rrset-conditional': 'each record set by itself, if unchanged: a name is whole only after its last record set',
  atomic: 'together, but whatever stands there: one enactor at a time, which reads before and after',
  none: 'single calls: one enactor at a time, and never the last address in one step',
}

export const providerFacts: readonly ProviderFacts[] = [
  {
    id: 'builtin',
    name: 'Holdfast DNS server',
    guarantee: 'atomic-conditional',
    supported: true,
    evidence: 'tried',
    condition: 'RFC 2136 prerequisites on the exact old marker and records',
    caveats: ['Refuses by itself what would empty a guarded name or move its marker back, whoever sends it.'],
  },
  {
    id: 'bind',
    name: 'BIND 9',
    guarantee: 'atomic-conditional',
    supported: true,
    evidence: 'tried',
    condition: 'RFC 2136 prerequisites on the exact old marker and records',
    caveats: [
      'Says NOERROR and adds nothing where a CNAME would stand beside other types.',
      'Edits of the zone file need "rndc freeze" and "rndc thaw".',
    ],
  },
  {
    id: 'knot',
    name: 'Knot DNS',
    guarantee: 'atomic-conditional',
    supported: true,
    evidence: 'tried',
    condition: 'RFC 2136 prerequisites on the exact old marker and records',
    caveats: [
      'Works off waiting updates in bulk: one that fails to commit gives SERVFAIL to its neighbours.',
      'Says NOERROR and adds nothing where a CNAME would stand beside other types.',
    ],
  },
  {
    id: 'powerdns',
    name: 'PowerDNS Authoritative Server, by dynamic update',
    guarantee: 'atomic-conditional',
    supported: true,
    evidence: 'tried',
    condition: 'RFC 2136 prerequisites on the exact old marker and records',
    caveats: [
      'Holds only while every writer uses dynamic update through one server process: its HTTP API and a second process do not take the lock.',
      'Needs "dnsupdate=yes", TSIG-ALLOW-DNSUPDATE for the zone, and a back end that takes updates.',
      'Replacing records can be slow on SQLite: about 100 names a second.',
    ],
  },
  {
    id: 'route53',
    name: 'Amazon Route 53',
    guarantee: 'atomic-conditional',
    supported: false,
    evidence: 'documented',
    condition: 'DELETE of the exact old record sets and CREATE of the new ones in one change batch',
    caveats: ['At most 1,000 records a batch.', 'UPSERT has no condition.', 'The exact old set includes its TTL.'],
  },
  {
    id: 'google',
    name: 'Google Cloud DNS',
    guarantee: 'atomic-conditional',
    supported: false,
    evidence: 'documented',
    condition: 'deletions that must match exactly and additions that must not exist, in one change (412, 409)',
    caveats: ['A difference in TTL alone fails the condition.', 'At most 1,000 records a change.'],
  },
  {
    id: 'oci',
    name: 'Oracle Cloud DNS',
    guarantee: 'atomic-conditional',
    supported: false,
    evidence: 'documented',
    condition: 'REQUIRE and PROHIBIT items, and If-Match',
    caveats: [],
  },
  {
    id: 'akamai',
    name: 'Akamai Edge DNS',
    guarantee: 'atomic-conditional',
    supported: false,
    evidence: 'documented',
    condition: 'a change list bound to one version of the zone (409 when stale)',
    caveats: ['Any other change in the zone is a conflict.'],
  },
  {
    id: 'azure',
    name: 'Azure DNS',
    guarantee: 'rrset-conditional',
    supported: false,
    evidence: 'documented',
    condition: 'If-Match and If-None-Match with the ETag of one record set (412)',
    caveats: ['No transaction over several record sets: the generation would stand in the metadata of each.'],
  },
  {
    id: 'cloudflare',
    name: 'Cloudflare DNS',
    guarantee: 'atomic',
    supported: false,
    evidence: 'documented',
    condition: 'none: a batch happens as a whole, whatever stands there',
    caveats: ['Its edges take over a batch piece by piece, so delete and create may be seen as empty.'],
  },
  {
    id: 'powerdns-http',
    name: 'PowerDNS Authoritative Server, by its HTTP API',
    guarantee: 'atomic',
    supported: false,
    evidence: 'documented',
    condition: 'none: a PATCH happens as a whole; If-Match is ignored',
    caveats: ['Use dynamic update instead.'],
  },
  {
    id: 'others',
    name: 'DigitalOcean, Hetzner, Linode, Vultr, Gandi and others with calls for single records',
    guarantee: 'none',
    supported: false,
    evidence: 'unproven',
    condition: 'none',
    caveats: [],
  },
]
